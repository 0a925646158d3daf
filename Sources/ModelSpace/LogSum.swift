import Foundation

/// log Σ exp(x_i); −∞ of none.
package func logSum(_ x: [Double]) -> Double {
    guard let peak = x.max(), peak > -.infinity else { return -.infinity }
    return peak + log(x.reduce(0) { $0 + exp($1 - peak) })
}

/// log(eᵃ + eᵇ).
package func logSum(_ a: Double, _ b: Double) -> Double {
    let peak = max(a, b)
    return peak == -.infinity ? peak : peak + log(exp(a - peak) + exp(b - peak))
}
