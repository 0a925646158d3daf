import ArgumentParser
import CommandLineSupport
import Diffusion
import Foundation
import Inference
import Reporting
import Studies
import Tensors

extension Validate {
    struct Simulations: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Calibration on voxels drawn from the prior.",
            usage: "prism-dmri validate simulations [options]",
            discussion: Manual.page(
                """
                Voxels are drawn from the prior (structures uniform at λ = 0), simulated and fitted. Reported: how \
                often the true structure is called, and whether its \
                probabilities are calibrated; simulation-based calibration of all parameters and directions; coverage \
                of credible intervals; λ-consistency of the network.

                With --family the same of any family: its structures, components, parameters and directions by their \
                names. Families other than ball-sticks --smc-voxels holds against the same search made much wider, \
                which shows what the search misses but no fault that both have; with --smc-error against smc, minutes \
                a voxel; with --smc-structures single structures against smc.

                Acquisitions: those of --acquisition, of every .bval/.bvec pair in --schemes, or (default) random ones \
                from the mixture that the network was trained on, or that the \
                family's recipe is to be.
                """,
                examples: [
                    (
                        "ten thousand voxels, over random protocols",
                        "prism-dmri validate simulations --voxels 10000 --html calibration.html"
                    )
                ],
                references: [.talts2018]))

        @OptionGroup var acquired: AcquisitionChoice
        @OptionGroup var timing: IgnoredTiming
        @Option(help: "Voxels to simulate.") var voxels: Int = 1000
        @Option(
            help:
                """
                How many of them, evenly spaced, smc fits too, which knows no network (seconds each; for other \
                families than ball-sticks a wider search unless --smc-error is given, then minutes each).
                """
        ) var smcVoxels: Int = 0
        @Option(
            help: """
                Parsimony λ of the prior drawn from and of the posteriors (default: the least that the family is to be \
                read at, which is 0 or what its recipe says).
                """
        ) var lambda: Double?
        @Flag(help: "Tell the engine each voxel's true σ, as fit --known-noise does with a measured one.")
        var knownNoise = false
        @Option(help: "λ at which the network is asked outright, separated by commas.") var lambdaList = "0.5,1,2"
        @OptionGroup var evidence: EvidenceOptions
        @OptionGroup var shared: ValidationOptions

        func validate() throws {
            guard (1...10_000_000).contains(voxels) else {
                throw ValidationError("--voxels must lie between 1 and 10000000.")
            }
            guard (0...voxels).contains(smcVoxels) else {
                throw ValidationError("--smc-voxels must lie between 0 and --voxels.")
            }
            guard evidence.smcStructures == nil || smcVoxels > 0 else {
                throw ValidationError("--smc-structures goes with --smc-voxels.")
            }
            guard (0...3).contains(lambda ?? 0) else { throw ValidationError("--lambda must lie between 0 and 3.") }
            if knownNoise && shared.tested.engine == .mcmc { throw ValidationError(ChainArguments.noKnownNoise) }
            _ = try lambdas()
        }

        private func lambdas() throws -> [Double] {
            try lambdaList.split(separator: ",", omittingEmptySubsequences: false).map {
                guard let x = Double($0), (0...3).contains(x) else {
                    throw ValidationError("'\($0)' in --lambda-list is not a λ between 0 and 3.")
                }
                return x
            }
        }

        func run() throws {
            Blas.prepare()
            let outputs = try shared.openOutputs(), asked = try StudiedFamily(shared.family, shared.tested)
            var study = SimulationStudy()
            study.acquisitions = try acquired.open(else: asked.mixture)
            let studied = try asked.suited(
                to: study.acquisitions, acquired.name, isIgnored: timing.ignoreTiming,
                remedy: AcquisitionChoice.timing, quiet: shared.talk.quiet)
            study.family = studied.choice.family
            study.referenceStatement = studied.statement
            study.voxels = voxels
            study.lambda = studied.lambda(lambda)
            study.consistencyLambdas = try lambdas()
            study.referenceVoxels = smcVoxels
            study.evidenceCheck = evidence.check(shared.tested)
            study.isNoiseKnown = knownNoise
            let bar = StudyProgress(voxels: voxels, referenceVoxels: smcVoxels, quiet: shared.talk.quiet)
            guard
                let report = try Interrupt.polled({
                    try study.run(
                        options: shared.tested.fitOptions, engine: studied.engine,
                        reference: smcVoxels > 0 ? studied.reference : nil,
                        network: shared.tested.engine == .prism ? studied.wholeNetwork : nil, progress: bar.update,
                        shouldStop: { Interrupt.requested })
                })
            else { throw StudyInterrupted() }
            print(ValidationText.text(report), terminator: "")
            try outputs.json?.write(ValidationOptions.encode(report))
            try outputs.html?.write(ValidationPage.page(report, commandLine: CommandLine.arguments))
        }
    }
}
