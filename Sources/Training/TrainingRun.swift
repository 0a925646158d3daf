import Foundation
import ModelSpace
import Networks
import Tensors

/// A training from where its trainer stands to its end: the rate's fall at the end of what is allowed, the log's lines,
/// checkpoints.
public struct TrainingRun {
    /// Simulations, counted from the training's very start, and seconds of this run, after which it ends; over the last
    /// `TrainingPlan.decay` of either the rate falls to zero. Nil: no end.
    public var simulations: Int?, seconds: Double?
    /// Seconds.
    public var checkpointEvery: Double

    /// What is told every ten seconds.
    public struct Report {
        public var simulations: Int, simulationsPerSecond: Double
        /// Means since the last report.
        public var structure: Double, parameter: Double
        /// Nil without an end.
        public var secondsLeft: Double?
    }

    public init(simulations: Int?, seconds: Double?, checkpointEvery: Double) {
        (self.simulations, self.seconds, self.checkpointEvery) = (simulations, seconds, checkpointEvery)
    }

    /// - Parameters:
    ///   - shouldStop: asked before every step.
    ///   - save: writes a checkpoint, in between and at the end. It gets the last report's losses; a run shorter than
    ///     that has those of all its steps, one without a step none.
    public func run<F: ModelFamily, N: TrainableNetwork>(
        _ trainer: Trainer<F, N>, log: TrainingLog, precision: TrainingPrecision, shouldStop: () -> Bool,
        report: (Report) -> Void, save: ((structure: Double, parameter: Double)?) throws -> Void
    ) throws {
        let plan = trainer.plan, startStep = trainer.state.step, startSimulations = trainer.state.simulations
        // A clock that nobody sets: a correction of the system's time neither ends a run nor keeps it going.
        let began = ContinuousClock.now
        func elapsedSeconds() -> Double { (ContinuousClock.now - began) / .seconds(1) }
        if let simulations, trainer.state.schedule.decayStart == nil {
            let steps = (simulations - startSimulations) / plan.batch, decay = max(1, Int(Double(steps) * plan.decay))
            trainer.state.schedule = Schedule(decayStart: startStep + steps - decay, decaySteps: decay)
        }
        var recent = (structure: 0.0, parameter: 0.0, steps: 0), lastReport = 0.0, lastCheckpoint = 0.0
        var shown: (structure: Double, parameter: Double)?
        func means() -> (structure: Double, parameter: Double) {
            (recent.structure / Double(recent.steps), recent.parameter / Double(recent.steps))
        }
        func losses() -> (structure: Double, parameter: Double)? { shown ?? (recent.steps > 0 ? means() : nil) }
        while !trainer.state.schedule.isFinished(step: trainer.state.step), !shouldStop() {
            let elapsed = elapsedSeconds()
            if let seconds, trainer.state.schedule.decayStart == nil, elapsed > seconds * (1 - plan.decay) {
                let done = trainer.state.step - startStep
                trainer.state.schedule = Schedule(
                    decayStart: trainer.state.step,
                    decaySteps: max(1, Int(Double(done) * (seconds - elapsed) / elapsed)))
            }
            if let seconds, elapsed > seconds * 1.25 { break }  // the machine slowed down during the decay
            let step = trainer.step()
            recent = (recent.structure + step.structure, recent.parameter + step.parameter, recent.steps + 1)
            let total = elapsedSeconds()
            if total - lastReport > 10 {
                lastReport = total
                let news = means()
                (shown, recent) = (news, (0, 0, 0))
                let done = trainer.state.simulations, rate = Double(done - startSimulations) / total
                try log.append(
                    step: trainer.state.step, simulations: done, structure: news.structure, parameter: news.parameter,
                    rate: trainer.state.schedule.rate(plan, step: trainer.state.step), simulationsPerSecond: rate,
                    precision: precision)
                report(
                    Report(
                        simulations: done, simulationsPerSecond: rate, structure: news.structure,
                        parameter: news.parameter,
                        secondsLeft: seconds.map { $0 - total } ?? simulations.map { Double($0 - done) / rate }))
            }
            if total - lastCheckpoint > checkpointEvery {
                lastCheckpoint = total
                try save(losses())
            }
        }
        try save(losses())
    }
}

extension TrainingRun.Report {
    /// The losses and the speed, in a line.
    public var line: String {
        String(
            format: "%.2f M simulations, %.0f/s, structure loss %.4f, parameter loss %.4f",
            Double(simulations) / 1e6, simulationsPerSecond, structure, parameter)
    }
}
