/// Local coordinates about an axis ±m: Lambert's, which keep areas.
///
///     μ = (1 − ½t²) m + (1 − ¼t²)^½ (t_1 e_1 + t_2 e_2),   t² ≤ 2
///
/// covers the half-sphere about m once, with area element dt. e_1 and e_2 depend on m alone, so that everything that
/// works in these coordinates about the same axis works in the same ones.
public enum AxisChart {
    /// Two unit vectors at right angles to a unit vector and to each other.
    @inline(__always)
    public static func tangents(_ m: SIMD3<Double>) -> (SIMD3<Double>, SIMD3<Double>) {
        let helper = abs(m.x) < 0.6 ? SIMD3(1.0, 0, 0) : SIMD3(0, 1.0, 0), along = (helper * m).sum()
        let across = helper - along * m, e = across / (across * across).sum().squareRoot()
        return (e, SIMD3(m.y * e.z - m.z * e.y, m.z * e.x - m.x * e.z, m.x * e.y - m.y * e.x))
    }

    /// The axis at (t_1, t_2); beyond the half-sphere, the nearest on its edge.
    public static func move(_ m: SIMD3<Double>, by t: (Double, Double)) -> SIMD3<Double> {
        let (e, f) = tangents(m), beyond = t.0 * t.0 + t.1 * t.1, square = min(2, beyond)
        let across = (1 - square / 4).squareRoot() * (beyond > 2 ? (2 / beyond).squareRoot() : 1)
        return (1 - square / 2) * m + across * (t.0 * e + t.1 * f)
    }

    /// The coordinates of an axis about m.
    public static func coordinates(of axis: SIMD3<Double>, about m: SIMD3<Double>) -> (Double, Double) {
        let (e, f) = tangents(m), w = (axis * m).sum()
        let scale = (w < 0 ? -1 : 1) / (0.5 + 0.5 * abs(w)).squareRoot()
        return ((axis * e).sum() * scale, (axis * f).sum() * scale)
    }
}
