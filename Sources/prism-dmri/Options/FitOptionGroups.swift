import ArgumentParser
import CommandLineSupport
import Diffusion
import Inference
import Networks
import Reporting

/// Which model a fit asks about, by which engine.
struct ModelOptions: ParsableArguments {
    enum Engine: String, ExpressibleByArgument, CaseIterable { case prism, smc, mcmc }

    @Option(help: FamilyChoice.help) var family: String?
    @Option(help: "Parsimony: each free parameter costs λ nats; 0 to 3 (default: 0.5).") var lambda: Double?
    @Option(help: "What finds the posterior: \(Engine.allCases.map(\.rawValue).joined(separator: ", ")).") var engine:
        Engine = .prism
    @Option(
        help:
            """
            Speed against accuracy of the draws: \(PrismPreset.allCases.map(\.rawValue).joined(separator: ", ")) \
            (default: balanced).
            """
    ) var preset: PrismPreset?
    @Option(help: "Trained network (default: the one built in).", completion: .file()) var network: String?
    @Option(help: "Posterior draws a voxel (default: 50).") var samples: Int?
    @Option(help: NoiseChoice.help) var noise: NoiseChoice = .auto
    @Option(
        help:
            """
            Map of the noise's standard deviation in the scan's units, to hold the fitted noise against (default: \
            estimated from the scan).
            """, completion: .file()
    )
    var noiseMap: String?
    @Flag(help: KnownNoise.help) var knownNoise = false

    /// The family; where nobody says it that of the scan, or by the slow engines ball and sticks.
    /// - Parameter scan: asked for only where it decides.
    func family(of scan: @autoclosure () throws -> Acquisition, network: NetworkFile?) throws -> FamilyChoice {
        let choice = try FamilyChoice(
            family, network: network.map { ($0.origin, self.network!) },
            scan: family == nil && network == nil && engine == .prism ? scan() : nil)
        try choice.refuse(engine: engine.rawValue)
        return choice
    }

    /// Refuses what an engine knows nothing of.
    func validate(_ chain: ChainArguments) throws {
        guard (0...10).contains(lambda ?? 0) else { throw ValidationError("--lambda must lie between 0 and 10.") }
        guard (1...10_000).contains(samples ?? 1) else {
            throw ValidationError("--samples must lie between 1 and 10000.")
        }
        if engine == .mcmc {
            if lambda != nil {
                throw ValidationError(
                    """
                    --lambda has no meaning with --engine mcmc: its relevance prior (--weight) decides how readily \
                    fibres appear.
                    """
                )
            }
            if samples != nil {
                throw ValidationError("With --engine mcmc the number of draws is --jumps over --every, not --samples.")
            }
            if network != nil { throw ValidationError("--engine mcmc uses no network; leave out --network.") }
            if noise == .either { throw ValidationError("--engine mcmc knows Gaussian noise only.") }
            if knownNoise { throw ValidationError(ChainArguments.noKnownNoise) }
            if preset != nil {
                throw ValidationError("--preset belongs to --engine prism; mcmc has --burnin, --jumps and --every.")
            }
        } else if let option = chain.given {
            throw ValidationError("\(option) belongs to --engine mcmc.")
        }
        if engine == .smc, network != nil || preset != nil {
            throw ValidationError("--network and --preset belong to --engine prism; smc is exact without them.")
        }
    }
}

/// Where a fit goes, and what of it.
struct FitOutput: ParsableArguments {
    @Option(
        name: .customLong("out"), help: "Folder to write (with --fsl-layout: SUBJECT.bedpostX by default).",
        completion: .directory)
    var folder: String?
    @OptionGroup var choice: OutputChoice
    @Option(help: KeptPosterior.help) var keep: KeptPosterior?
    @Flag(help: "Go on with an interrupted fit in --out.") var resume = false
    @Flag(help: "Replace a fit already in --out.") var force = false

    func validate() throws {
        if folder == nil && !choice.fslLayout { throw ValidationError("Missing expected argument '--out <out>'") }
        if resume && force { throw ValidationError("--resume and --force exclude each other.") }
    }
}

/// How a fit runs.
struct FitRunning: ParsableArguments {
    @Option(help: "Fit part I of N only, e.g. 1/4; 'merge' joins the parts' folders.") var shard: Part?
    @Option(help: "Seed of all random numbers.") var seed: UInt64 = 1
    @OptionGroup var threads: ThreadOptions
    @Flag(
        help: """
            Read and check everything, say what would be fitted and written and, from a sample of voxels, how long it \
            takes; write nothing.
            """) var dryRun = false
    @Flag(help: "With --dry-run: JSON.") var json = false
    @OptionGroup var talk: TalkOptions

    func validate() throws {
        if json && !dryRun { throw ValidationError("--json goes with --dry-run; a fit itself writes fit.json.") }
    }
}

/// Part I of N of a fit's voxels, I from 1.
struct Part: ExpressibleByArgument {
    let index: Int, of: Int

    init?(argument: String) {
        let words = argument.split(separator: "/", omittingEmptySubsequences: false)
        guard words.count == 2, let i = Int(words[0]), let n = Int(words[1]), (1...10_000).contains(n),
            (1...n).contains(i)
        else { return nil }
        (index, of) = (i - 1, n)
    }
}

extension PrismPreset: ExpressibleByArgument {}
