import ArgumentParser
import CommandLineSupport
import Diffusion
import Foundation
import Inference
import Networks
import Studies
import Tensors

struct Validate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure how right the answers are, on simulations.",
        subcommands: [Crossings.self, Networks.self, Scan.self, Simulations.self])

    struct Crossings: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Angular error and recall of two crossing fibres, by crossing angle.",
            usage: "prism-dmri validate crossings --acquisition <file> [options]",
            discussion: Manual.page(
                """
                Two sticks (fractions 0.4 and 0.35, 1.7e-3 mm²/s), or with --ratio two zeppelins, and a ball, random \
                orientation, Rician noise. A true fibre is \
                recalled when the fibre matched to it \
                lies within min(20°, half the crossing angle); the error is the mean angle of recalled fibres.
                """,
                examples: [
                    (
                        "a protocol's angular resolution",
                        "prism-dmri validate crossings --acquisition my-protocol.yaml"
                    ),
                    (
                        "bundles with water around their axons, by a family that knows it",
                        "prism-dmri validate crossings --acquisition a.yaml --ratio .3 --family tissue"
                    ),
                ]))

        @Option(help: "Acquisition (YAML).", completion: .file()) var acquisition: String
        @Option(help: "SNR of the b=0 signal.") var snr: Double = 30
        @Option(help: "Crossing angles in degrees, separated by commas.") var angles =
            "20,25,30,35,40,45,50,60,70,80,90"
        @Option(help: "Voxels an angle.") var voxels: Int = 500
        @Option(help: "Parsimony λ (default: the least that the family is to be read at).") var lambda: Double?
        @Option(help: "Diffusivity across the fibres over that along them: 0, sticks, to 0.9.") var ratio: Double = 0
        @Option(help: FamilyChoice.help) var family: String?
        @OptionGroup var timing: IgnoredTiming
        @OptionGroup var tested: EngineUnderTest
        @Flag(help: "JSON instead of a table.") var json = false
        @OptionGroup var talk: TalkOptions

        func validate() throws {
            guard (1...1e6).contains(snr) else { throw ValidationError("--snr must lie between 1 and 1000000.") }
            guard (1...1_000_000).contains(voxels) else {
                throw ValidationError("--voxels must lie between 1 and 1000000.")
            }
            guard (0...3).contains(lambda ?? 0) else { throw ValidationError("--lambda must lie between 0 and 3.") }
            guard (0...0.9).contains(ratio) else { throw ValidationError("--ratio must lie between 0 and 0.9.") }
            _ = try parsedAngles()
        }

        private func parsedAngles() throws -> [Double] {
            try angles.split(separator: ",", omittingEmptySubsequences: false).map {
                guard let a = Double($0), a > 0, a <= 90 else {
                    throw ValidationError("'\($0)' is not an angle between 0 and 90 degrees.")
                }
                return a
            }
        }

        func run() throws {
            Blas.prepare()
            var study = CrossingStudy()
            study.angles = try parsedAngles()
            study.voxels = voxels
            study.snr = snr
            study.ratio = ratio
            let design = try AcquisitionFile(path: acquisition).acquisition(),
                studied = try StudiedFamily(family, tested).suited(
                    to: .listed([design]), acquisition, isIgnored: timing.ignoreTiming,
                    remedy: AcquisitionChoice.timing,
                    quiet: talk.quiet)
            study.lambda = studied.lambda(lambda)
            let bar = ProgressLine("fitting", unit: "voxels", total: study.angles.count * voxels, quiet: talk.quiet)
            guard
                let rows = try Interrupt.polled({
                    try study.run(
                        acquisition: design, options: tested.fitOptions, engine: studied.engine,
                        progress: { bar.update($0) },
                        shouldStop: { Interrupt.requested })
                })
            else { throw StudyInterrupted() }
            if json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
                print(String(decoding: try encoder.encode(rows), as: UTF8.self))
                return
            }
            print("angle  error  recall  fibres  exactly 2  P(2 fibres)")
            for r in rows {
                print(
                    String(
                        format: "%4.0f°  %4.1f°  %5.1f %%  %5.2f  %7.1f %%  %9.2f", r.angle, r.error, 100 * r.recall,
                        r.fibresFound,
                        100 * r.exactlyTwo, r.probabilityOfTwo))
            }
        }
    }
}
