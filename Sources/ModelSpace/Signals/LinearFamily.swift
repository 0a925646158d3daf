/// A family whose signal is a weighted sum of attenuations E_k(shape), linear in the weights: all that the exact
/// engines need to know of it.
public protocol LinearFamily: Sendable {
    /// How observations are taken.
    associatedtype Design: Sendable
    var description: FamilyDescription { get }
    func measurementCount(_ design: Design) -> Int
    /// The likelihood of a structure's noise.
    func noise(_ z: Structure) -> NoiseLikelihood
    /// One a thread: it owns scratch memory.
    func kernels(_ design: Design) -> any SignalKernels
}

/// How measurements scatter about the signal S, with standard deviation σ.
public enum NoiseLikelihood: Sendable, Hashable {
    case gaussian
    /// Magnitudes: p(y) = y/σ² exp(−(y² + S²)/2σ²) I₀(yS/σ²), none where y ≤ 0.
    case rician
}

/// Attenuations of one design's M measurements.
///
/// A layout's components and numbers stand in the order of `SignalLayout`.
public protocol SignalKernels: AnyObject {
    /// M.
    var measurementCount: Int { get }

    /// E of sixteen samples: component k at measurement i goes to e[(i·W + k)·16 … + 15].
    ///
    /// - Parameters:
    ///   - rows: the first of the sixteen in rows of `stride` floats, a row for each number of a point; rows of
    ///   weights, scale and noise are not read. A
    ///     sample may be NaN, and then so are its attenuations; it disturbs no other.
    /// - Accuracy: absolute error ≤ 2e-6 (families say where it is more).
    func attenuations(
        _ layout: SignalLayout, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>)

    /// The same of component k alone; the others' places are left as they are.
    func attenuations(
        _ layout: SignalLayout, of k: Int, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>)

    /// E at one point, W rows of M, and Σ_k f_k ∂E_k/∂u_j by the shape's local coordinates about it, a row of M each. f
    /// are the point's own weights, fractions or coefficients, without s0.
    ///
    /// - Accuracy: of a derivative ≤ 2e-5 max(1, |derivative|).
    func derivatives(
        _ layout: SignalLayout, _ x: UnsafePointer<Double>, attenuations: UnsafeMutablePointer<Float>,
        rows: UnsafeMutablePointer<Float>)

    /// E at one point, W rows of M.
    func attenuations(_ layout: SignalLayout, at x: UnsafePointer<Double>, into e: UnsafeMutablePointer<Float>)
}
