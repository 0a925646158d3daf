import ArgumentParser
import CommandLineSupport
import Diffusion
import Foundation
import Inference
import Reporting
import Studies
import Tensors
import Volumes

extension Validate {
    struct Scan: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Agreement with exact Bayes on random voxels of a scan.",
            usage: "prism-dmri validate scan <image> [options]",
            discussion: Manual.page(
                """
                A random subset of voxels is fitted with the engine under test and with sequential Monte Carlo (smc), \
                which knows no network. Reported: total variation of structure \
                probabilities, distance of the draws, overlap of intervals, angles between fibres, and the \
                posterior-predictive misfit of both. smc takes seconds a voxel.

                Other families (--family) are held against the same search made much wider, without a network: it \
                shows what the search misses for the sake of speed, but no fault that both have. With --smc-error \
                they are held against smc as well as ball-sticks are, which takes minutes a voxel (much longer where \
                there are hundreds of structures: there --smc-structures holds single ones against it).
                """,
                examples: [
                    (
                        "a hundred voxels against exact Bayes",
                        "prism-dmri validate scan dwi.nii.gz --mask mask.nii.gz --html agreement.html"
                    )
                ],
                references: [
                    .delMoral2006
                ]))

        @OptionGroup(title: "Input") var input: DiffusionInput
        @Option(help: "Voxels to compare.") var voxels: Int = 100
        @Option(help: "Parsimony: each free parameter costs λ nats; 0 to 1.") var lambda: Double = 0.5
        @Option(help: NoiseChoice.help) var noise: NoiseChoice = .auto
        @OptionGroup var evidence: EvidenceOptions
        @OptionGroup var shared: ValidationOptions

        func validate() throws {
            guard (1...1_000_000).contains(voxels) else {
                throw ValidationError("--voxels must lie between 1 and 1000000.")
            }
            guard (0...3).contains(lambda) else { throw ValidationError("--lambda must lie between 0 and 3.") }
        }

        func run() throws {
            Blas.prepare()
            let outputs = try shared.openOutputs()
            func warn(_ text: String) { Terminal.note("warning: " + text) }
            let (geometry, acquisition) = try input.open(warn: warn)
            let studied = try StudiedFamily(shared.family, shared.tested, scan: acquisition)
                .suited(
                    to: .listed([acquisition]), input.dwi, isIgnored: input.timing.ignoreTiming,
                    remedy: TimingOptions.remedy, quiet: shared.talk.quiet)
            if shared.tested.engine == .prism, let file = studied.file {
                _ = studied.choice.covers(acquisition, file, warn: warn)
            }
            let mask = try input.openMask(geometry, acquisition, warn: warn)
            if let deviation = try input.openDeviation(geometry, mask), let file = input.deviationFile {
                warn(deviation.description(path: file) + ": both engines take the table as it is here.")
            }
            let chosen = Mask(
                geometry: geometry,
                indices: ScanStudy.choose(voxels, of: mask.count, seed: shared.tested.seed).map { mask.indices[$0] })
            let reading = ProgressLine("reading", unit: "volumes", total: acquisition.count, quiet: shared.talk.quiet)
            let series = try MaskedSeries(path: input.dwi, mask: chosen) { read, _ in reading.update(read) }
            var options = shared.tested.fitOptions
            options.lambda = studied.lambda(lambda)
            let
                survey = SignalSurvey(
                    series.values, measurements: series.measurements, areIntegers: series.areIntegers),
                kinds = noise.kinds(survey)
            for text in survey.warnings(noise: kinds) { warn(text) }
            options.rules = survey.rules()
            func adapted(_ maker: @escaping EngineMaker) -> EngineMaker {
                { acquisition, options in
                    let recipe = try maker(acquisition, options)
                    return kinds == .either ? recipe : recipe.adapted(to: acquisition, noise: kinds)
                }
            }
            Interrupt.catchSignals()
            var study = ScanStudy()
            study.evidenceCheck = evidence.check(shared.tested)
            let bar = StudyProgress(voxels: chosen.count, referenceVoxels: chosen.count, quiet: shared.talk.quiet)
            guard
                let report = try study.run(
                    voxels: chosen.indices, signals: series.values, acquisition: acquisition, options: options,
                    engine: adapted(studied.engine),
                    reference: adapted(studied.reference), statement: studied.statement, progress: bar.update,
                    shouldStop: { Interrupt.requested })
            else { throw Interrupt.requested ? StudyInterrupted() as any Error : NothingToFit(path: input.dwi) }
            print(ValidationText.text(report), terminator: "")
            try outputs.json?.write(ValidationOptions.encode(report))
            try outputs.html?.write(ValidationPage.page(report, commandLine: CommandLine.arguments))
        }
    }
}

/// A scan none of whose chosen voxels can be fitted.
struct NothingToFit: CommandFailure {
    let path: String
    var exitStatus: ExitStatus { .badData }
    var description: String {
        """
        None of the chosen voxels of \(path) can be fitted: their b=0 signal is zero, negative or not finite; check \
        the mask
        """
    }
}

/// Progress of a study: fits of the engine under test, then of the reference.
struct StudyProgress: Sendable {
    private let fitting: ProgressLine, reference: ProgressLine

    init(voxels: Int, referenceVoxels: Int, quiet: Bool) {
        fitting = ProgressLine("fitting", unit: "voxels", total: voxels, quiet: quiet)
        reference = ProgressLine("exact", unit: "voxels", total: referenceVoxels, quiet: quiet)
    }

    @Sendable func update(_ phase: StudyPhase, _ done: Int) {
        switch phase {
        case .fitting: fitting.update(done)
        case .reference: reference.update(done)
        }
    }
}
