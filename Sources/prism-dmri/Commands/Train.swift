import ArgumentParser
import CommandLineSupport
import Diffusion
import Foundation
import ModelSpace
import Networks
import Tensors
import Training

struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Train a network on simulations made as it learns.",
        usage: "prism-dmri train --recipe <file> --out <file> [options]",
        discussion: Manual.page(
            """
            Writes FILE (the averaged weights, for 'fit --network'), FILE.checkpoint (everything needed to go on) and \
            FILE.log.jsonl (one JSON \
            line every few seconds). With --time or --simulations the learning rate falls to zero over the last part \
            of the run; Ctrl-C stops \
            after the current step and keeps the checkpoint.
            """,
            examples: [
                ("two hours, then two more", "prism-dmri train --recipe recipe.yaml --out net --time 2h"),
                ("going on", "prism-dmri train --recipe recipe.yaml --out net --time 2h --resume --reopen"),
            ],
            references: [.gloeckler2026, "The diffusion sampler: Karras et al. 2022, arXiv:2206.00364"]))

    @Option(
        help: "Training recipe (YAML), or the name of a built-in one: \(BuiltInFamilies.names.joined(separator: ", "))."
    ) var recipe: String
    @Option(help: "Where to write the network (safetensors).", completion: .file()) var out: String
    @Option(help: "Start from the weights of this network instead of fresh ones.", completion: .file()) var start:
        String?
    @Option(help: "Stop after this much time, e.g. 90s, 45m, 2h.") var time: String?
    @Option(help: "Stop after this many simulations, counted from the run's start.") var simulations: Int?
    @Flag(help: "Go on from OUT.checkpoint.") var resume = false
    @Flag(help: "With --resume: start a new round, forgetting an earlier decay of the learning rate.") var reopen =
        false
    @Option(
        help: """
            Number format of matrix products: \(TrainingPrecision.allCases.map(\.rawValue).joined(separator: ", ")), \
            or auto, the fastest that this \
            processor has; a resumed run keeps its own.
            """) var precision: String = "auto"
    @OptionGroup var threads: ThreadOptions
    @Option(help: "Seconds between checkpoints.") var checkpointEvery: Double = 180
    @Flag(help: "Overwrite an existing network.") var force = false
    @OptionGroup var talk: TalkOptions

    func validate() throws {
        if let time { _ = try seconds(time) }
        _ = try Self.precision(precision)
        if start != nil && resume { throw ValidationError("--start and --resume exclude each other.") }
        guard checkpointEvery > 0 else { throw ValidationError("--checkpoint-every must be above 0 seconds.") }
        if let simulations, simulations < 1 { throw ValidationError("--simulations must be at least 1.") }
    }

    /// The precision of that name, nil for auto.
    static func precision(_ name: String) throws -> TrainingPrecision? {
        guard name != "auto" else { return nil }
        guard let precision = TrainingPrecision(rawValue: name) else {
            let known = (TrainingPrecision.allCases.map(\.rawValue) + ["auto"]).joined(separator: ", ")
            throw ValidationError("'\(name)' is not a precision; choose one of \(known).")
        }
        guard TrainingPrecision.available.contains(precision) else {
            throw ValidationError(
                "This processor cannot multiply in \(name) precision; leave out --precision, or give single.")
        }
        return precision
    }

    func run() throws {
        Blas.prepare()
        let text = try Recipe.text(path: recipe)
        let parsed = try Recipe(yaml: text, path: recipe)
        let files = try TrainingFiles(out, force: force, resume: resume, inputs: [recipe] + [start].compactMap { $0 })
        Interrupt.whenStopped(say: { "stopping after this step; the checkpoint is kept" })
        try Interrupt.polled(waits: true) {
            // The files stay taken until the end.
            try withExtendedLifetime(files) {
                let mixture = parsed.mixture
                if let family = parsed.composed {
                    try descend(family, parsed, text: text, definition: family.definition) { mixture.draw(using: &$0) }
                } else {
                    try descend(BallSticks(), parsed, text: text, definition: nil) { mixture.draw(using: &$0) }
                }
            }
        }
    }

    private func descend<F: ModelFamily>(
        _ family: F, _ parsed: Recipe, text: String, definition: String?,
        design: @escaping @Sendable (inout RandomSource) -> F.Design
    ) throws {
        let plan = parsed.training, checkpoint = out + ".checkpoint"
        var state: TrainerState?
        if let start {
            let file = try NetworkFile(path: start)
            guard file.network.shape == FamilyShape(family), file.network.configuration == plan.network else {
                throw RecipeError(path: recipe, problem: "describes another network than \(start)")
            }
            // Weights are only where training starts: a prior that was changed a little is soon learnt.
            if !talk.quiet, file.origin.family != family.name || file.origin.familyDefinition != definition {
                note("\(start) was trained for another definition of the family; training starts at its weights.")
            }
            state = TrainerState(weights: file.weights)
            state!.simulations = file.origin.simulations
        }
        if resume {
            let network = Network(FamilyShape(family), plan.network)
            let read = try TrainerState.read(network, from: checkpoint)
            state = read.state
            if reopen { state!.schedule = Schedule() }
            if read.recipe != text && !talk.quiet {
                note("The recipe differs from the one this run started with; going on with the new one.")
            }
        }
        let products = try choosePrecision(resumed: resume ? state : nil)
        let trainer = Trainer(
            family: family, plan: plan, threads: threads.nthreads, precision: products, state: state, design: design)
        let log = try TrainingLog(path: out + ".log.jsonl", append: resume)
        let run = TrainingRun(
            simulations: simulations, seconds: try time.map(seconds), checkpointEvery: checkpointEvery)
        func save(_ losses: (structure: Double, parameter: Double)?) throws {
            try trainer.state.write(trainer.network, recipe: text, to: checkpoint)
            let origin = NetworkOrigin(
                name: parsed.name, family: family.name, familyDefinition: definition, recipe: text,
                simulations: trainer.state.simulations, steps: trainer.state.step,
                structureLoss: losses?.structure, parameterLoss: losses?.parameter, precision: products.rawValue)
            try NetworkFile(network: trainer.network, weights: trainer.state.average, origin: origin).write(to: out)
        }

        if !talk.quiet {
            note(
                "\(trainer.network.layout.count) weights, \(threads.nthreads) threads, "
                    + "products in \(products.rawValue) precision"
            )
        }
        try run.run(
            trainer, log: log, precision: products, shouldStop: { Interrupt.requested },
            report: { report in
                guard !talk.quiet else { return }
                let left = report.secondsLeft.map { String(format: ", %.0f min left", max(0, $0) / 60) }
                note(report.line + (left ?? ""))
            }, save: save)
        if trainer.state.skipped > 0 {
            note("\(trainer.state.skipped) steps had a non-finite gradient and were skipped.")
        }
    }

    /// As asked for; a resumed run's own, if that was its choice; the fastest. Says where that changes a run's.
    private func choosePrecision(resumed: TrainerState?) throws -> TrainingPrecision {
        // A checkpoint that does not say is older than the choice.
        let before = resumed.map { $0.precision ?? .single }
        let products = try Self.precision(precision) ?? resumed?.precision ?? .fastest
        guard TrainingPrecision.available.contains(products) else {
            throw PrecisionMissing(path: out + ".checkpoint", precision: products)
        }
        if let before, before != products, !talk.quiet {
            note("This run's products were in \(before.rawValue) precision so far; going on in \(products.rawValue).")
        }
        return products
    }

    private func note(_ text: String) { Terminal.say(text) }
}

/// A run that this processor cannot go on with as it was.
struct PrecisionMissing: CommandFailure {
    let path: String, precision: TrainingPrecision
    var exitStatus: ExitStatus { .badData }
    var description: String {
        """
        \(path) was trained with products in \(precision.rawValue) precision, which this processor does not have; go \
        on with --precision single.
        """
    }
}
