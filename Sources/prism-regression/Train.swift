import ArgumentParser
import Foundation
import ModelSpace
import Networks
import Parallel
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
    @Option(help: "Threads.") var nthreads = AllottedProcessors.current.count
    @Option(help: "Seconds between checkpoints.") var checkpointEvery = 120.0
    @Flag(help: "Go on from FILE.checkpoint.") var resume = false
    @Flag(help: "With --resume: start a new round, forgetting an earlier fall of the learning rate.") var reopen = false
    @Flag(help: "Overwrite an existing network.") var force = false

    func validate() throws {
        try TermsOption.check(terms)
        if let time, Self.seconds(time) == nil {
            throw ValidationError("'\(time)' is not a time; write it like 90s, 45m or 2h.")
        }
        guard (4...512).contains(width), width % 4 == 0 else {
            throw ValidationError("--width is \(width); it must be a multiple of 4 from 4 to 512.")
        }
        if let simulations, simulations < 1 { throw ValidationError("--simulations must be at least 1.") }
        guard checkpointEvery > 0 else { throw ValidationError("--checkpoint-every must be above 0 seconds.") }
        guard (1...1024).contains(nthreads) else { throw ValidationError("--nthreads must be from 1 to 1024.") }
    }

    static func seconds(_ text: String) -> Double? {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600]
        guard let unit = text.last, let factor = units[unit], let value = Double(text.dropLast()), value > 0,
            value < 1e9
        else { return nil }
        return value * factor
    }

    func run() throws {
        Interrupt.catchSignals()
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
        let checkpoint = out + ".checkpoint"
        for path in [out, checkpoint] where FileManager.default.fileExists(atPath: path) {
            guard (try? SafetensorsReader(path: path)) != nil else { throw TrainingError.foreign(path) }
            if !resume && !force { throw TrainingError.exists(path) }
        }
        var state: TrainerState?
        if resume {
            let read = try TrainerState.read(Network(FamilyShape(family), plan.network), from: checkpoint)
            guard read.recipe == recipe else { throw TrainingError.otherPlan(checkpoint) }
            state = read.state
            if reopen { state!.schedule = Schedule() }
        }
        let trainer = Trainer(
            family: family, plan: plan, threads: nthreads, precision: state?.precision ?? .fastest, state: state
        ) { RegressionFamily.drawPlaces(using: &$0) }
        let log = try TrainingLog(path: out + ".log.jsonl", append: resume)
        let precision = trainer.state.precision ?? .single
        func save(_ losses: (structure: Double, parameter: Double)?) throws {
            try trainer.state.write(trainer.network, recipe: recipe, to: checkpoint)
            let origin = NetworkOrigin(
                name: family.name, family: family.name, familyDefinition: definition, recipe: recipe,
                simulations: trainer.state.simulations, steps: trainer.state.step, structureLoss: losses?.structure,
                parameterLoss: losses?.parameter, precision: trainer.state.precision?.rawValue)
            try NetworkFile(network: trainer.network, weights: trainer.state.average, origin: origin).write(to: out)
        }
        Failure.say("\(trainer.network.layout.count) weights, \(nthreads) threads")
        try TrainingRun(
            simulations: simulations, seconds: time.flatMap(Self.seconds), checkpointEvery: checkpointEvery
        ).run(
            trainer, log: log, precision: precision, shouldStop: { Interrupt.requested },
            report: { Failure.say($0.line) }, save: save)
        if trainer.state.skipped > 0 {
            Failure.say("\(trainer.state.skipped) steps had a non-finite gradient and were skipped.")
        }
    }
}

enum TrainingError: Error, CustomStringConvertible {
    case exists(String), foreign(String), otherPlan(String)
    var description: String {
        switch self {
        case .exists(let path): "\(path) exists already; give --resume to go on with it or --force to start over."
        case .foreign(let path): "\(path) is no network or checkpoint, so it is not replaced; choose another --out."
        case .otherPlan(let path):
            "\(path) was made with other settings; give the same --terms, --width and --seed, or start over by --force."
        }
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
