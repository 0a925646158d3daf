import Foundation

/// Mean and variance of the curve at some places, entry by entry: what mixtures at any λ are made of.
public struct CurveBand: Sendable {
    /// In the family's units.
    public let places: [Double]
    public var means: [[Double]] = [], variances: [[Double]] = [], entries: [Int] = []

    /// Of the entries with draws that matter at some λ of `lambdas`.
    public init(
        _ fit: RegressionFit, _ family: RegressionFamily, at places: [Double], lambdas: [Double], most: Int = 60
    ) {
        self.places = places
        let shares = lambdas.map(fit.probabilities),
            best = fit.entries.indices.map { i in shares.map { $0[i] }.max() ?? 0 }
        let order = fit.entries.indices.filter { !fit.entries[$0].draws.isEmpty && best[$0] > 2e-3 }
            .sorted { (best[$1], $0) < (best[$0], $1) }.prefix(most).sorted()
        for i in order {
            let e = fit.entries[i], curves = e.draws.map { fit.curve(family, e, $0, at: places) },
                n = Double(curves.count)
            let mean = places.indices.map { p in curves.reduce(0) { $0 + $1[p] } / n }
            means.append(mean)
            variances.append(
                places.indices.map { p in curves.reduce(0) { $0 + ($1[p] - mean[p]) * ($1[p] - mean[p]) } / n })
            entries.append(i)
        }
    }

    /// Mean and standard deviation of the mixture at λ.
    public func mixture(_ fit: RegressionFit, lambda: Double) -> (mean: [Double], sd: [Double]) {
        let p = fit.probabilities(lambda: lambda), total = entries.reduce(0) { $0 + p[$1] }
        var mean = [Double](repeating: 0, count: places.count), square = mean
        for (j, i) in entries.enumerated() {
            let w = p[i] / max(1e-300, total)
            for k in places.indices {
                mean[k] += w * means[j][k]
                square[k] += w * (variances[j][k] + means[j][k] * means[j][k])
            }
        }
        return (mean, zip(square, mean).map { max(0, $0 - $1 * $1).squareRoot() })
    }
}
