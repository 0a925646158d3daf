/// Fixed means and standard deviations that standardise the summaries: measured over the default training mixture (see
/// the tests, which measure them again).
enum ObservationScale {
    static let protocolStart = 9
    static let protocolCount = 13
    static let count = protocolStart + protocolCount

    /// Mean and standard deviation of each summary.
    static let table: [(mean: Float, sd: Float)] = [
        (-0.379, 0.980), (-1.249, 1.147), (-2.001, 1.517),  // log eigenvalues, µm²/ms
        (0.084, 0.605),  // asinh 20 log fitted S0
        (-2.933, 1.066),  // log residual scale
        (-3.138, 1.160),  // log b≈0 scatter, where n0 ≥ 2
        (-0.753, 0.798), (-1.064, 0.980),  // mean log signal, lowest and highest range of b
        (0.564, 0.723),  // asinh mean scaled residual, highest range
        (1.463, 0.956), (0.772, 0.419), (4.137, 0.852),  // log n0, n0 ≥ 2, log M
        (0.697, 0.566), (1.037, 0.355),  // log largest b/1000, mean compressed b
        (0.092, 0.200), (0.376, 0.337), (0.212, 0.269), (0.180, 0.260), (0.020, 0.090),  // fractions of volumes by b
        (3.850, 0.920), (1.110, 0.482), (3.887, 1.150),  // log directions, log(1 + shells), gain
    ]

    /// (x − mean) / sd of summary k, within ±5; 0 when x is not a number.
    @inline(__always)
    static func standardise(_ x: Double, _ k: Int) -> Float {
        let (mean, sd) = table[k]
        let value = (Float(x) - mean) / sd
        return value.isNaN ? 0 : max(-5, min(5, value))
    }
}
