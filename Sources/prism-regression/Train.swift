import ArgumentParser
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
            """)

    @Option(help: "Number of candidate terms: 15, 30, 50, 80 or 100.") var terms = 15
    @Option(help: "Where to write the network (safetensors).") var out: String
    @Option(help: "Stop after this much time, e.g. 90s, 45m, 2h.") var time: String?
    @Option(help: "Stop after this many simulations, counted from the run's start.") var simulations: Int?
    @Option(help: "Width of the network; a multiple of 4.") var width = 64
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
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let recipe = String(decoding: try encoder.encode(plan), as: UTF8.self),
            definition = String(decoding: try encoder.encode(family.description), as: UTF8.self)
        let files = try TrainingFiles(out, force: force, resume: resume, inputs: [])
        Interrupt.whenStopped(say: { "stopping after this step; the checkpoint is kept" })
        try Interrupt.polled(waits: true) {
            // The files stay taken until the end.
            try withExtendedLifetime(files) {
                try descend(family, plan, files, recipe: recipe, definition: definition)
            }
        }
    }

    private func descend(
        _ family: RegressionFamily, _ plan: TrainingPlan, _ files: TrainingFiles, recipe: String, definition: String
    ) throws {
        var state: TrainerState?
        if resume {
            let read = try TrainerState.read(Network(FamilyShape(family), plan.network), from: files.checkpoint)
            guard read.recipe == recipe else { throw OtherPlan(path: files.checkpoint) }
            state = read.state
            if reopen { state!.schedule = Schedule() }
        }
        let trainer = Trainer(
            family: family, plan: plan, threads: threads.nthreads, precision: state?.precision ?? .fastest, state: state
        ) { RegressionFamily.drawPlaces(using: &$0) }
        let log = try TrainingLog(path: files.log, append: resume)
        let precision = trainer.state.precision ?? .single
        func save(_ losses: (structure: Double, parameter: Double)?) throws {
            try trainer.state.write(trainer.network, recipe: recipe, to: files.checkpoint)
            let origin = NetworkOrigin(
                name: family.name, family: family.name, familyDefinition: definition, recipe: recipe,
                simulations: trainer.state.simulations, steps: trainer.state.step, structureLoss: losses?.structure,
                parameterLoss: losses?.parameter, precision: trainer.state.precision?.rawValue)
            try NetworkFile(network: trainer.network, weights: trainer.state.average, origin: origin).write(
                to: files.network)
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
        "\(path) was made with other settings; give the same --terms, --width and --seed, or start over by --force"
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
