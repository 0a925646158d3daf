import ArgumentParser
import Baselines
import CommandLineSupport
import Foundation
import ModelSpace
import Networks
import Regression
import Tensors
import Training

struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Train a network on simulations made as it learns.",
        usage: "prism-regression train --terms <n> --out <file> [options]",
        discussion: """
            Writes FILE (the averaged weights, for 'fit --network'), FILE.checkpoint (all that is needed to go on) and \
            FILE.log.jsonl. With --time or --simulations the learning rate falls to zero over the last quarter; Ctrl-C \
            stops after the current step and keeps the checkpoint.

            --method sbmi trains a baseline to compare with in 'validate --network': the same encoder and simulations, \
            a mixture of Grassmann distributions over formulas and one of normal distributions over their numbers \
            (Schröder and Macke 2024), for one λ.
            """)

    enum Method: String, ExpressibleByArgument, CaseIterable { case prism, sbmi }

    @Option(help: "Number of candidate terms: 15, 30, 50, 80 or 100.") var terms = 15
    @Option(help: "Where to write the network (safetensors).") var out: String
    @Option(help: "Stop after this much time, e.g. 90s, 45m, 2h.") var time: String?
    @Option(help: "Stop after this many simulations, counted from the run's start.") var simulations: Int?
    @Option(help: "Width of the network; a multiple of 4.") var width = 64
    @Option(help: "What to train: prism or sbmi.") var method = Method.prism
    @Option(help: "Of sbmi, which has one for good: parsimony of its simulations (default: 1).") var lambda: Double?
    @Option(help: "Seed.") var seed: UInt64 = 1
    @OptionGroup var threads: ThreadOptions
    @Option(help: "Seconds between checkpoints.") var checkpointEvery = 120.0
    @Flag(help: "Go on from FILE.checkpoint.") var resume = false
    @Flag(help: "With --resume: start a new round, forgetting an earlier fall of the learning rate.") var reopen = false
    @Flag(help: "Overwrite an existing network.") var force = false

    func validate() throws {
        try TermsOption.check(terms)
        if let time { _ = try seconds(time) }
        guard (4...512).contains(width), width % 4 == 0 else {
            throw ValidationError("--width is \(width); it must be a multiple of 4 from 4 to 512.")
        }
        if let simulations, simulations < 1 { throw ValidationError("--simulations must be at least 1.") }
        if let lambda {
            try Fit.check(lambda: lambda)
            guard method == .sbmi else {
                throw ValidationError("--lambda is for --method sbmi; a prism network answers at any λ.")
            }
        }
        guard checkpointEvery > 0 else { throw ValidationError("--checkpoint-every must be above 0 seconds.") }
    }

    func run() throws {
        Blas.prepare()
        let family = RegressionFamily(terms: terms)
        var plan = TrainingPlan()
        plan.seed = seed
        plan.network.width = width
        plan.network.latents = 12
        plan.network.blocksPerReading = 1
        plan.network.structureBlocks = 2
        plan.network.parameterWidth = 32
        plan.network.parameterBlocks = 1
        plan.noiseDraws = 1
        plan.parameterWeight = 0.5
        plan.lambdaZero = 0.15
        plan.lambdaMean = 1
        func text(_ value: some Encodable) throws -> String {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            return String(decoding: try encoder.encode(value), as: UTF8.self)
        }
        let shape = FamilyShape(family), definition = try family.definition()
        switch method {
        case .prism:
            let run = Run(family: family, plan: plan, lambda: nil, recipe: try text(plan), definition: definition)
            try train(Network(shape, plan.network), run) {
                try NetworkFile(network: $0, weights: $1, origin: $2).write(to: out)
            }
        case .sbmi:
            // A nat of the numbers' density counts as much as one of the formula's.
            plan.parameterWeight = family.meanCoordinateCount
            let sbmi = SBMIConfiguration(lambda: lambda ?? 1, masks: [family.fullMask])
            let run = Run(
                family: family, plan: plan, lambda: sbmi.lambda, recipe: try text(plan) + "\n" + text(sbmi),
                definition: definition)
            try train(SBMINetwork(shape, plan.network, sbmi), run) {
                try SBMIFile(network: $0, weights: $1, origin: $2).write(to: out)
            }
        }
    }

    private struct Run {
        var family: RegressionFamily, plan: TrainingPlan, lambda: Double?, recipe: String, definition: String
    }

    private func train<N: TrainableNetwork>(
        _ network: N, _ run: Run, write: (N, [Float], NetworkOrigin) throws -> Void
    ) throws {
        let files = try TrainingFiles(out, force: force, resume: resume, inputs: [])
        Interrupt.whenStopped(say: { "stopping after this step; the checkpoint is kept" })
        try Interrupt.polled(waits: true) {
            // The files stay taken until the end.
            try withExtendedLifetime(files) { try descend(network, run, files, write: write) }
        }
    }

    private func descend<N: TrainableNetwork>(
        _ network: N, _ run: Run, _ files: TrainingFiles, write: (N, [Float], NetworkOrigin) throws -> Void
    ) throws {
        var state: TrainerState?
        if resume {
            let read = try TrainerState.read(network, from: files.checkpoint)
            guard read.recipe == run.recipe else { throw OtherPlan(path: files.checkpoint) }
            state = read.state
            if reopen { state!.schedule = Schedule() }
            if let over = TrainingFiles.saysNothingLeft(state!, wanted: simulations) { return Terminal.say(over) }
        }
        let trainer = Trainer(
            network, family: run.family, plan: run.plan, threads: threads.nthreads,
            precision: state?.precision ?? .fastest, lambda: run.lambda, state: state
        ) { RegressionFamily.drawPlaces(using: &$0) }
        let log = try TrainingLog(path: files.log, append: resume)
        let precision = trainer.state.precision ?? .single
        func save(_ losses: (structure: Double, parameter: Double)?) throws {
            try trainer.state.write(trainer.network, recipe: run.recipe, to: files.checkpoint)
            let origin = NetworkOrigin(
                name: run.family.name, family: run.family.name, familyDefinition: run.definition, recipe: run.recipe,
                simulations: trainer.state.simulations, steps: trainer.state.step, structureLoss: losses?.structure,
                parameterLoss: losses?.parameter, precision: trainer.state.precision?.rawValue)
            try write(trainer.network, trainer.state.average, origin)
        }
        Terminal.say("\(trainer.network.layout.count) weights, \(threads.nthreads) threads")
        try TrainingRun(
            simulations: simulations, seconds: try time.map(seconds), checkpointEvery: checkpointEvery
        ).run(
            trainer, log: log, precision: precision, shouldStop: { Interrupt.requested },
            report: { Terminal.say($0.line) }, save: save)
        if trainer.state.skipped > 0 {
            Terminal.say("\(trainer.state.skipped) steps had a non-finite gradient and were skipped.")
        }
    }
}

/// A run that is to go on as another than it was.
struct OtherPlan: CommandFailure {
    let path: String
    var exitStatus: ExitStatus { .cannotCreate }
    var description: String {
        """
        \(path) was made with other settings; give the same --terms, --method, --lambda, --width and --seed, or start \
        over by --force
        """
    }
}

enum TermsOption {
    static func check(_ terms: Int) throws {
        guard TermLibrary.sizes.contains(terms) else {
            let known = TermLibrary.sizes.map(String.init).joined(separator: ", ")
            throw ValidationError("--terms is \(terms); it must be one of \(known).")
        }
    }
}
