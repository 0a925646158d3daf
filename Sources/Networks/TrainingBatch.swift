import ModelSpace
import Tensors

/// Simulations of one design as the losses take them.
///
/// Shapes: B simulations, M measurements, R noise levels drawn for each simulation. features B·M × F, summaries B × G,
/// coordinates B × T·Q, mask B × T·Q (which coordinates a simulation's structure has), noise B·R × T·Q standard normal,
/// sigma B·R.
public struct TrainingBatch {
    public var features: [Float], summaries: [Float], coordinates: [Float], mask: [Float]
    public var structures: [Structure], lambdas: [Double]
    public var sigma: [Double], noise: [Float]
    public let measurements: Int

    public var count: Int { structures.count }

    public init(count: Int, measurements: Int, draws: Int, shape: FamilyShape) {
        let row = shape.tokens * shape.coordinates
        self.measurements = measurements
        features = Array(repeating: 0, count: count * measurements * shape.features)
        summaries = Array(repeating: 0, count: count * shape.summaries)
        coordinates = Array(repeating: 0, count: count * row)
        mask = Array(repeating: 0, count: count * row)
        structures = Array(repeating: Structure(), count: count)
        lambdas = Array(repeating: 0, count: count)
        sigma = Array(repeating: 0, count: count * draws)
        noise = Array(repeating: 0, count: count * draws * row)
    }
}

extension Tape {
    /// Float data as a constant of the tape's element type, without a copy when that is Float. `data` must outlive the
    /// backward pass.
    package func constant(_ data: UnsafePointer<Float>, rows: Int, columns: Int) -> Variable<S> {
        if S.self == Float.self {
            return constant(UnsafeMutableRawPointer(mutating: data).assumingMemoryBound(to: S.self), rows, columns)
        }
        let copy: UnsafeMutablePointer<S> = arena.take(rows * columns)
        for i in 0..<rows * columns { copy[i] = S(data[i]) }
        return constant(copy, rows, columns)
    }
}
