import ArgumentParser
import BallSticksEngines
import Chain
import CommandLineSupport
import Diffusion
import Foundation
import Inference
import Networks
import Studies

/// The options that all studies of `validate` share: the engine under test.
struct EngineUnderTest: ParsableArguments {
    enum Engine: String, ExpressibleByArgument, CaseIterable { case prism, mcmc, smc }

    @Option(
        help:
            """
            Engine under test: \(Engine.allCases.map(\.rawValue).joined(separator: ", ")) (mcmc as model 2 with 3 \
            fibres).
            """
    ) var engine: Engine = .prism
    @Option(
        help: "Trained network (default: the one built in, for ball-sticks; other families are searched without).",
        completion: .file())
    var network: String?
    @Option(
        help:
            """
            Speed against accuracy of the draws: \(PrismPreset.allCases.map(\.rawValue).joined(separator: ", ")) \
            (default: balanced).
            """
    ) var preset: PrismPreset?
    @Option(help: "Posterior draws a voxel.") var samples: Int = 50
    @OptionGroup var threads: ThreadOptions
    @Option(
        help:
            """
            Standard error of log-evidence, nats, to which smc runs: 0.02 to 0.5; its time grows with the inverse \
            square (default: 0.1). Families other than ball-sticks are held against smc, minutes a voxel, where this \
            is given, and against a wider search where not.
            """
    ) var smcError: Double?
    @Option(help: "Seed of all random numbers.") var seed: UInt64 = 1

    func validate() throws {
        guard (20...10_000).contains(samples) else { throw ValidationError("--samples must lie between 20 and 10000.") }
        guard (0.02...0.5).contains(smcError ?? 0.1) else {
            throw ValidationError("--smc-error must lie between 0.02 and 0.5.")
        }
    }

    var fitOptions: FitOptions {
        var options = FitOptions()
        options.samples = samples
        options.seed = seed
        options.threads = threads.nthreads
        return options
    }

    func openNetwork() throws -> NetworkFile { try network.map(NetworkFile.init(path:)) ?? NetworkFile.standard() }

    /// The engine under test for an acquisition.
    func engineMaker(_ file: NetworkFile) -> EngineMaker {
        let path = network ?? "the built-in network", preset = preset ?? .balanced
        switch engine {
        case .prism:
            return { acquisition, options in
                try PrismRecipe(file: file, path: path, acquisition: acquisition, options: options, preset: preset)
            }
        case .mcmc:
            var chain = ChainOptions()
            chain.hasSpread = true
            chain.jumps = chain.every * samples
            return { [chain] acquisition, options in
                McmcRecipe(acquisition: acquisition, chain: chain, options: options)
            }
        case .smc: return referenceMaker
        }
    }

    /// The exact engine that others are held against.
    var referenceMaker: EngineMaker {
        let settings = SequentialMonteCarlo.Options(targetError: smcError ?? 0.1)
        return { acquisition, options in SmcRecipe(acquisition: acquisition, options: options, settings: settings) }
    }
}

/// Single structures held against smc, where there are too many to sample all.
struct EvidenceOptions: ParsableArguments {
    @Option(
        help:
            """
            Instead of whole posteriors, hold the evidence of so many structures of each voxel, drawn with their \
            probabilities, against smc's: for families of hundreds of structures and more. 2 to 100; --smc-error is \
            0.2 then where not given.
            """
    ) var smcStructures: Int?

    func validate() throws {
        guard (2...100).contains(smcStructures ?? 2) else {
            throw ValidationError("--smc-structures must lie between 2 and 100.")
        }
    }

    func check(_ tested: EngineUnderTest) -> EvidenceCheck.Options? {
        smcStructures.map { .init(structures: $0, targetError: tested.smcError ?? 0.2) }
    }
}

/// Where the results of a study go besides the terminal.
struct ValidationOptions: ParsableArguments {
    @Option(help: FamilyChoice.help) var family: String?
    @OptionGroup var tested: EngineUnderTest
    @Option(help: "Write all figures to this JSON file.", completion: .file()) var json: String?
    @Option(help: "Write an illustrated page to this HTML file.", completion: .file()) var html: String?
    @Flag(help: "Replace files already there.") var force = false
    @OptionGroup var talk: TalkOptions

    func validate() throws {
        if let json, json == html { throw ValidationError("--json and --html name the same file.") }
    }

    /// The files asked for, found writable before any work.
    /// - Parameter inputs: files that the command reads.
    func openOutputs(inputs: [String?] = []) throws -> (json: OutputFile?, html: OutputFile?) {
        let recipe = family.flatMap { FileManager.default.fileExists(atPath: $0) ? $0 : nil }
        let inputs = (inputs + [tested.network, recipe]).compactMap { $0 }
        return (
            try json.map { try OutputFile($0, kind: .figures, force: force, inputs: inputs) },
            try html.map { try OutputFile($0, kind: .page, force: force, inputs: inputs) }
        )
    }

    /// A report as pretty JSON with sorted keys; what is not finite becomes a text.
    static func encode(_ report: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return String(decoding: try encoder.encode(report), as: UTF8.self) + "\n"
    }
}

/// A study stopped by the user.
struct StudyInterrupted: CommandFailure {
    var exitStatus: ExitStatus { .interrupted }
    var description: String { "Stopped; nothing was written." }
}
