import ArgumentParser
import Baselines
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

            --method sbmi trains a baseline for 'validate networks', which nothing else asks: the same encoder and \
            simulations, a mixture of Grassmann distributions over structures and one of normal distributions over \
            their parameters, for one λ.
            """,
            examples: [
                ("two hours, then two more", "prism-dmri train --recipe recipe.yaml --out net --time 2h"),
                ("going on", "prism-dmri train --recipe recipe.yaml --out net --time 2h --resume --reopen"),
            ],
            references: [
                .gloeckler2026, .schroeder2024, "The diffusion sampler: Karras et al. 2022, arXiv:2206.00364",
            ]))

    enum Method: String, ExpressibleByArgument, CaseIterable { case prism, sbmi }

    @Option(
        help: "Training recipe (YAML), or the name of a built-in one: \(BuiltInFamilies.names.joined(separator: ", "))."
    ) var recipe: String
    @Option(help: "Where to write the network (safetensors).", completion: .file()) var out: String
    @Option(help: "Start from the weights of this network instead of fresh ones.", completion: .file()) var start:
        String?
    @Option(help: "Stop after this much time, e.g. 90s, 45m, 2h.") var time: String?
    @Option(help: "Stop after this many simulations, counted from the run's start.") var simulations: Int?
    @Option(help: "What to train: prism or sbmi.") var method = Method.prism
    @Option(help: "Of sbmi, which has one for good: parsimony λ of its simulations (default: 1).") var lambda: Double?
    @Flag(help: "Train for scans that do not say when gradient pulses come: without what of the family needs that.")
    var ignoreTiming = false
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
        if start != nil && method == .sbmi { throw ValidationError("--start is for --method prism.") }
        if let lambda {
            guard method == .sbmi else {
                throw ValidationError("--lambda is for --method sbmi; a prism network answers at any λ.")
            }
            guard (0...3).contains(lambda) else { throw ValidationError("--lambda must lie between 0 and 3.") }
        }
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
        let text = try Recipe.text(path: recipe), parsed = try Recipe(yaml: text, path: recipe)
        let choice = try (parsed.composed.map(FamilyChoice.composed) ?? .ballSticks).suited(
            isTimed: !ignoreTiming, isIgnored: ignoreTiming, warn: { _ in }, note: { _ in })
        let files = try TrainingFiles(out, force: force, resume: resume, inputs: [recipe] + [start].compactMap { $0 })
        Interrupt.whenStopped(say: { "stopping after this step; the checkpoint is kept" })
        try Interrupt.polled(waits: true) {
            // The files stay taken until the end.
            try withExtendedLifetime(files) {
                try train(choice.family, parsed, text: text)
            }
        }
    }

    /// What a training is besides its network.
    private struct Run<F: DiffusionFamily> {
        var family: F, name: String, plan: TrainingPlan, mixture: ProtocolMixture
        /// Of a network that has one for good.
        var lambda: Double?
        /// The recipe's text, and a line with what is not of it but never changes.
        var text: String, fixed = ""
        var recipe: String { text + fixed }
    }

    private func train<F: DiffusionFamily>(_ family: F, _ parsed: Recipe, text: String) throws {
        var run = Run(
            family: family, name: parsed.name, plan: parsed.training, mixture: parsed.mixture, lambda: nil, text: text)
        let shape = FamilyShape(family)
        switch method {
        case .prism:
            let network = Network(shape, run.plan.network), started = try start.map { try state(at: $0, network, run) }
            try descend(network, run, started) {
                try NetworkFile(network: $0, weights: $1, origin: $2).write(to: out)
            }
        case .sbmi:
            guard let list = family.structureList else {
                throw RecipeError(
                    path: recipe,
                    problem:
                        "is for '\(family.name)', whose structures are not listed: sbmi has nothing to stand beside")
            }
            let sbmi = SBMIConfiguration(
                lambda: lambda ?? 1, masks: list.structures.map(family.coordinateMask), blur: NoiseLevel.lowest)
            // A nat of the numbers' density counts as much as one of the structure's; noise has no levels to draw.
            run.plan.parameterWeight *= family.meanCoordinateCount
            run.plan.noiseDraws = 1
            (run.lambda, run.fixed) = (sbmi.lambda, try sbmi.recipeLine())
            try descend(SBMINetwork(shape, run.plan.network, sbmi), run, nil) {
                try SBMIFile(network: $0, weights: $1, origin: $2).write(to: out)
            }
        }
    }

    /// Where training starts: a trained network's weights.
    private func state<F>(at start: String, _ network: Network, _ run: Run<F>) throws -> TrainerState {
        let file = try NetworkFile(path: start), origin = file.origin
        guard file.network.configuration == network.configuration else {
            throw RecipeError(path: recipe, problem: "describes another network than \(start)")
        }
        let isOther = origin.family != run.family.name || origin.familyDefinition != run.family.definition
        var weights = file.weights
        if isOther, let text = origin.familyDefinition, let whole = run.family as? CompartmentFamily,
            let part = (try? FamilyComposition(json: text)).map({ CompartmentFamily($0) }),
            file.network.shape == FamilyShape(part), part.featureCount <= whole.featureCount,
            let places = whole.places(of: part)
        {
            weights = network.weights(of: file, at: places, seed: run.plan.seed)
        } else if file.network.shape != network.shape {
            throw RecipeError(path: recipe, problem: "describes another network than \(start)")
        }
        // Weights are only where training starts: a prior that was changed a little is soon learnt.
        if !talk.quiet, isOther {
            note("\(start) was trained for another definition of the family; training starts at its weights.")
        }
        var state = TrainerState(weights: weights)
        state.simulations = file.origin.simulations
        return state
    }

    private func descend<F, N: TrainableNetwork>(
        _ network: N, _ run: Run<F>, _ started: TrainerState?, write: (N, [Float], NetworkOrigin) throws -> Void
    ) throws {
        let checkpoint = out + ".checkpoint"
        var state = started
        if resume {
            let read = try TrainerState.read(network, from: checkpoint)
            guard read.recipe.hasSuffix(run.fixed) else { throw OtherPrior(path: checkpoint) }
            state = read.state
            if reopen { state!.schedule = Schedule() }
            if let over = TrainingFiles.saysNothingLeft(state!, wanted: simulations) { return note(over) }
            if read.recipe != run.recipe && !talk.quiet {
                note("The recipe differs from the one this run started with; going on with the new one.")
            }
        }
        let products = try choosePrecision(resumed: resume ? state : nil), mixture = run.mixture,
            isTimed = run.family.needsTiming
        let trainer = Trainer(
            network, family: run.family, plan: run.plan, threads: threads.nthreads, precision: products,
            lambda: run.lambda, state: state
        ) { isTimed ? mixture.drawTimed(using: &$0) : mixture.draw(using: &$0) }
        let log = try TrainingLog(path: out + ".log.jsonl", append: resume)
        func save(_ losses: (structure: Double, parameter: Double)?) throws {
            try trainer.state.write(network, recipe: run.recipe, to: checkpoint)
            let origin = NetworkOrigin(
                name: run.name, family: run.family.name, familyDefinition: run.family.definition, recipe: run.recipe,
                simulations: trainer.state.simulations, steps: trainer.state.step,
                structureLoss: losses?.structure, parameterLoss: losses?.parameter, precision: products.rawValue)
            try write(network, trainer.state.average, origin)
        }

        if !talk.quiet {
            note(
                "\(network.layout.count) weights, \(threads.nthreads) threads, "
                    + "products in \(products.rawValue) precision"
            )
        }
        try TrainingRun(
            simulations: simulations, seconds: try time.map(seconds), checkpointEvery: checkpointEvery
        ).run(
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

/// A baseline's run that is to go on at another λ, which it has for good.
struct OtherPrior: CommandFailure {
    let path: String
    var exitStatus: ExitStatus { .cannotCreate }
    var description: String {
        "\(path) was trained at another λ; give its --lambda, or start over by --force"
    }
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
