import ArgumentParser
import Diffusion
import Foundation
import Inference
import Networks
import Tensors

struct Validate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure how right the answers are, on simulations.", subcommands: [Crossings.self, Scan.self, Simulations.self])

    struct Crossings: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Angular error and recall of two crossing fibres, by crossing angle.",
            discussion: """
                Two sticks (fractions 0.4 and 0.35, 1.7e-3 mm²/s), random orientation, Rician noise. A true fibre is recalled when the fibre matched to it \
                lies within min(20°, half the crossing angle); the error is the mean angle of recalled fibres.
                """)

        @Option(help: "Acquisition (YAML).") var acquisition: String
        @Option(help: "SNR of the b=0 signal.") var snr: Double = 30
        @Option(help: "Crossing angles in degrees, separated by commas.") var angles = "20,25,30,35,40,45,50,60,70,80,90"
        @Option(help: "Voxels an angle.") var voxels: Int = 500
        @Option(help: "Parsimony λ.") var lambda: Double = 0
        @Option(help: "Trained network (default: the one built in).") var network: String?
        @Option(help: "Speed against accuracy of the draws.") var preset: Fit.Preset = .balanced
        @Option(help: "Worker threads (default: all cores).") var nthreads: Int = ProcessInfo.processInfo.activeProcessorCount
        @Option(help: "Seed of all random numbers.") var seed: UInt64 = 1
        @Flag(help: "JSON instead of a table.") var json = false

        func validate() throws {
            guard snr > 0, voxels > 0, nthreads > 0, lambda >= 0 else { throw ValidationError("--snr, --voxels and --nthreads must be positive.") }
            _ = try parsedAngles()
        }

        private func parsedAngles() throws -> [Double] {
            try angles.split(separator: ",").map {
                guard let a = Double($0), a > 0, a <= 90 else { throw ValidationError("'\($0)' is not an angle between 0 and 90 degrees.") }
                return a
            }
        }

        func run() throws {
            Blas.prepare()
            var study = CrossingStudy()
            study.angles = try parsedAngles()
            study.voxels = voxels
            study.snr = snr
            study.lambda = lambda
            var options = FitOptions()
            options.threads = nthreads
            options.seed = seed
            let file = try network.map(NetworkFile.init(path:)) ?? NetworkFile.standard()
            let design = try AcquisitionFile(path: acquisition).acquisition()
            let rows = try study.run(acquisition: design, options: options) { options in
                var recipe = try PrismRecipe(file: file, path: network ?? "the default network", acquisition: design, options: options)
                preset.apply(to: &recipe)
                return recipe
            }
            if json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
                print(String(decoding: try encoder.encode(rows), as: UTF8.self))
                return
            }
            print("angle  error  recall  fibres  exactly 2  P(2 fibres)")
            for r in rows {
                print(String(
                    format: "%4.0f°  %4.1f°  %5.1f %%  %5.2f  %7.1f %%  %9.2f", r.angle, r.error, 100 * r.recall, r.fibresFound,
                    100 * r.exactlyTwo, r.probabilityOfTwo))
            }
        }
    }
}
