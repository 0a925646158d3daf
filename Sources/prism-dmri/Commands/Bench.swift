import ArgumentParser
import Bench
import Chain
import CommandLineSupport
import Diffusion
import Foundation
import Inference
import ModelSpace
import Networks
import Tensors
import Training
import Version

/// Figures of this machine; the measuring itself is the libraries'.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure how fast this machine runs each part, after checking that the part is right.",
        discussion: """
            Every kernel is compared with its plain reference before it is timed. Kernels are timed by processor time \
            (minimum and median), which other \
            programs disturb little; whole fits and training by the wall clock.
            """,
        subcommands: [Kernels.self, Network.self, Likelihood.self, Pipeline.self, Scaling.self, Training.self])

    struct Options: ParsableArguments {
        @Option(help: "Measurements of each kind; the minimum and the median are printed.") var repeats: Int?
        @OptionGroup var threads: ThreadOptions
        @Option(help: "Volumes of the simulated acquisition, M.") var measurements: Int = 100
        @Flag(help: "JSON instead of a table.") var json = false
        @OptionGroup var debugging: DebugOptions

        func validate() throws {
            guard (1...10_000).contains(repeats ?? 1) else {
                throw ValidationError("--repeats must lie between 1 and 10000.")
            }
            guard (10...4000).contains(measurements) else {
                throw ValidationError("--measurements must lie between 10 and 4000.")
            }
        }

        var machine: BenchMachine {
            BenchMachine(
                threads: threads.nthreads, repeats: repeats ?? 10, version: PrismDMRI.version,
                commit: SourceCommit.current)
        }

        func rows(_ measure: (inout Bench) throws -> Void) throws {
            var bench = Bench(machine: machine, repeats: repeats ?? 10)
            try measure(&bench)
            if json {
                try BenchTable.put(BenchTable.Rows(machine: bench.machine, rows: bench.rows))
            } else {
                BenchTable.put(bench)
            }
        }
    }

    struct Kernels: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The inner loops: matrix products, layers, ball and sticks, proposals.",
            usage: "prism-dmri bench kernels [options]",
            discussion: Manual.page(
                "",
                examples: [
                    ("the inner loops", "prism-dmri bench kernels --measurements 65")
                ]))
        @OptionGroup var options: Options

        func run() throws {
            try options.rows {
                try $0.networkKernels(measurements: options.measurements)
                try $0.modelKernels(measurements: options.measurements)
            }
        }
    }

    struct Likelihood: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "One evaluation of the likelihood, for every structure.",
            usage: "prism-dmri bench likelihood [options]",
            discussion: Manual.page(
                "",
                examples: [
                    ("the likelihood", "prism-dmri bench likelihood --measurements 65")
                ]))
        @OptionGroup var options: Options

        func run() throws { try options.rows { try $0.likelihoods(measurements: options.measurements) } }
    }

    struct Network: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Encoder, structure decoder, parameter decoder.",
            usage: "prism-dmri bench network [options]",
            discussion: Manual.page(
                "",
                examples: [
                    ("its three parts", "prism-dmri bench network --measurements 65")
                ]))
        @OptionGroup var options: Options
        @Option(help: "Trained network (default: the one built in).", completion: .file()) var network: String?

        func run() throws {
            let file = try network.map(NetworkFile.init(path:)) ?? NetworkFile.standard()
            try options.rows { try $0.network(file, measurements: options.measurements) }
        }
    }

    struct Pipeline: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Whole fits of a simulated block: voxels a second of every preset, stage by stage.",
            usage: "prism-dmri bench pipeline [options]",
            discussion: Manual.page(
                "",
                examples: [
                    ("whole fits", "prism-dmri bench pipeline --measurements 65")
                ]))
        @OptionGroup var options: Options
        @Option(help: "Trained network (default: the one built in).", completion: .file()) var network: String?
        @Option(help: "Voxels of preset balanced; fast fits four times as many, exact a quarter, mcmc an eighth.")
        var voxels: Int = 256

        func validate() throws {
            guard (1...100_000).contains(voxels) else {
                throw ValidationError("--voxels must lie between 1 and 100000.")
            }
        }

        func run() throws {
            let machine = options.machine, acquisition = BenchSubject.acquisition(measurements: options.measurements)
            let file = try network.map(NetworkFile.init(path:)) ?? NetworkFile.standard(),
                repeats = options.repeats ?? 2
            var fit = FitOptions(), results: [PipelineTiming] = []
            fit.threads = options.threads.nthreads
            for (preset, count) in [(PrismPreset.fast, 4 * voxels), (.balanced, voxels), (.exact, voxels / 4)] {
                let recipe = try PrismRecipe(
                    file: file, path: network ?? "the built-in network", acquisition: acquisition, options: fit,
                    preset: preset)
                var modes = recipe
                // No structure lies within a negative cutoff: its modes are found and nothing is sampled.
                modes.refinement.cutoff = -1
                results.append(
                    try .measure(
                        preset.rawValue, recipe: recipe, modesOnly: modes, acquisition: acquisition, options: fit,
                        voxels: max(1, count), repeats: repeats))
            }
            let chain = ChainOptions()
            fit.lambda = 0
            results.append(
                try .measure(
                    "mcmc", recipe: McmcRecipe(acquisition: acquisition, chain: chain, options: fit), modesOnly: nil,
                    acquisition: acquisition, options: fit,
                    voxels: max(1, voxels / 8), repeats: repeats))
            if options.json {
                try BenchTable.put(BenchTable.Fits(machine: machine, fits: results))
            } else {
                BenchTable.put(machine, results)
            }
        }
    }

    struct Training: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "train", abstract: "Training: simulations a second, stage by stage.",
            usage: "prism-dmri bench train [options]",
            discussion: Manual.page(
                "",
                examples: [
                    ("training", "prism-dmri bench train --measurements 65")
                ]))
        @OptionGroup var options: Options
        @Option(
            help: "Training recipe, a file or a built-in one's name (default: the one of the network built in).",
            completion: .file())
        var recipe: String?
        @Option(help: "Number format of matrix products, as 'train' has it.") var precision: String = "auto"
        @Option(help: "Seconds of training.") var seconds: Double = 5

        func validate() throws {
            guard seconds > 0, seconds <= 86_400 else { throw ValidationError("--seconds must be positive.") }
            _ = try Train.precision(precision)
        }

        func run() throws {
            let machine = options.machine, precision = try Train.precision(precision) ?? .fastest
            let text = try recipe.map { try Recipe.text(path: $0) } ?? NetworkFile.standard().origin.recipe
            let parsed = try Recipe(yaml: text, path: recipe ?? "of the network built in"), mixture = parsed.mixture
            func measure<F: ModelFamily>(_ family: F, _ design: @escaping @Sendable (inout RandomSource) -> F.Design)
                -> TrainingTiming
            {
                .measure(
                    family: family, plan: parsed.training, threads: options.threads.nthreads, precision: precision,
                    seconds: seconds,
                    repeats: options.repeats ?? 5, ceiling: machine.gemm, design: design)
            }
            let result =
                parsed.composed.map { measure($0) { mixture.draw(using: &$0) } }
                ?? measure(BallSticks()) { mixture.draw(using: &$0) }
            if options.json {
                try BenchTable.put(BenchTable.Course(machine: machine, training: result))
            } else {
                BenchTable.put(machine, result)
            }
        }
    }
}
