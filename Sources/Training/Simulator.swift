import ModelSpace
import Networks

/// Fills training batches from a family's own simulator.
struct Simulator<F: ModelFamily>: Sendable {
    let family: F
    let plan: TrainingPlan
    /// Of the prior of all simulations; by the plan where nil.
    let lambda: Double?
    let shape: FamilyShape
    let automaton: StructureAutomaton
    /// Draws how observations are taken; one design serves a whole chunk.
    let design: @Sendable (inout RandomSource) -> F.Design
    /// Mean number of active coordinates over structures, which brings the parameter loss to order one.
    let meanActive: Double

    init(
        family: F, plan: TrainingPlan, lambda: Double? = nil,
        design: @escaping @Sendable (inout RandomSource) -> F.Design
    ) {
        self.family = family
        self.plan = plan
        self.lambda = lambda
        self.design = design
        shape = FamilyShape(family)
        meanActive = family.meanCoordinateCount
        automaton = family.automaton
    }

    /// Chunk `chunk` of step `step`: depends on these and the seed only.
    func batch(step: Int, chunk: Int) -> TrainingBatch {
        var random = RandomSource(seed: plan.seed, stream: UInt64(step), substream: UInt64(chunk))
        let design = design(&random), m = family.measurementCount(design)
        var batch = TrainingBatch(count: plan.chunk, measurements: m, draws: plan.noiseDraws, shape: shape)
        let row = shape.tokens * shape.coordinates
        withUnsafeTemporaryAllocation(of: Double.self, capacity: family.parameterNames.count) { theta in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: m) { y in
                batch.features.withUnsafeMutableBufferPointer { features in
                    batch.summaries.withUnsafeMutableBufferPointer { summaries in
                        batch.coordinates.withUnsafeMutableBufferPointer { coordinates in
                            for b in 0..<plan.chunk {
                                let lambda = lambda ?? plan.drawLambda(&random),
                                    z = family.drawStructure(lambda: lambda, using: &random)
                                batch.structures[b] = z
                                batch.lambdas[b] = lambda
                                batch.mask.replaceSubrange(b * row..<(b + 1) * row, with: family.coordinateMask(z))
                                family.drawParameters(z, design, using: &random, into: theta.baseAddress!)
                                family.simulate(theta.baseAddress!, z, design, using: &random, into: y.baseAddress!)
                                let frame = family.observe(
                                    y.baseAddress!, design, features: features.baseAddress! + b * m * shape.features,
                                    summary: summaries.baseAddress! + b * shape.summaries)
                                family.encode(
                                    theta.baseAddress!, z, design, frame, into: coordinates.baseAddress! + b * row)
                            }
                        }
                    }
                }
            }
        }
        for i in batch.sigma.indices { batch.sigma[i] = NoiseLevel.training(random.normal()) }
        for i in batch.noise.indices { batch.noise[i] = Float(random.normal()) }
        return batch
    }
}
