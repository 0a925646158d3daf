import Foundation
import ModelSpace

/// log p(y | z, inner parameters, σ) with the amplitudes integrated out in closed form.
///
///     y ~ N(0, σ² I + s² Φ Φᵀ) after whitening:
///     −½ { n log 2πσ² + log det(I + (s²/σ²) ΦᵀΦ) + [y·y − hᵀ (ΦᵀΦ + (σ²/s²) I)⁻¹ h] / σ² } − log |W|,   h = Φᵀ y
///
/// Where some column changes, only its part of ΦᵀΦ is made again. Student's t is a normal whose errors have precisions
/// of their own: with `precisions` set it is as above; without, the amplitudes are integrated by Laplace's method
/// (`HeavyTails`).
///
/// - Accuracy: with normal noise 1e-8 of the dense definition (`PlainDensity`), as a test asserts.
public final class CollapsedDensity {
    public let family: RegressionFamily, series: Series
    /// Terms in the order of columns, each with the scores of its inner parameters.
    public private(set) var terms: [Int] = [], inner: [[Double]] = []
    public private(set) var noise = 0
    /// Precisions of the errors of a t-distribution, where they are known (the sampler's).
    private(set) var precisions: [Double]?

    let n: Int
    /// Columns of n, as they are and whitened; ΦᵀΦ with rows `stride` apart; Φᵀy.
    private let plain: UnsafeMutablePointer<Double>
    let columns: UnsafeMutablePointer<Double>, gram: UnsafeMutablePointer<Double>
    let projection: UnsafeMutablePointer<Double>, work: UnsafeMutablePointer<Double>
    let y: UnsafeMutablePointer<Double>
    let stride: Int
    let factor: SquareFactor
    private(set) var square = 0.0, logDeterminant = 0.0
    private let whitenings: [Whitening]
    private let candidate: UnsafeMutablePointer<Double>
    let heavy: HeavyTails

    public init(_ family: RegressionFamily, _ series: Series) {
        (self.family, self.series) = (family, series)
        n = series.count
        stride = family.terms.count + 1
        plain = .filled(stride * n)
        columns = .filled(stride * n)
        gram = .filled(stride * stride)
        projection = .filled(stride)
        work = .filled(stride)
        y = .filled(n)
        candidate = .filled(n)
        factor = SquareFactor(most: stride)
        heavy = HeavyTails(n, stride)
        whitenings = family.noises.map { Whitening($0, series.x) }
        setNoise(0, precisions: nil)
    }

    deinit { for p in [plain, columns, gram, projection, work, y, candidate] { p.deallocate() } }

    var isHeavy: Bool { family.noises[noise] == .heavy }
    var size: Int { terms.count }
    public var structure: Structure {
        var z = Structure()
        for t in terms { z[t] = true }
        return family.with(z, noise: noise)
    }

    /// Starts with a structure, its terms rising.
    public func load(_ z: Structure, inner values: [[Double]], precisions: [Double]? = nil) {
        terms = []
        inner = []
        setNoise(family.noiseIndex(z), precisions: precisions)
        for (t, v) in zip(family.active(z), values) { append(t, v) }
    }

    /// Another noise; the columns are whitened again.
    func setNoise(_ index: Int, precisions: [Double]?) {
        noise = index
        self.precisions = precisions
        for i in 0..<n { y[i] = series.y[i] }
        whiten(y)
        square = 0
        for i in 0..<n { square += y[i] * y[i] }
        logDeterminant = whitenings[index].logDeterminant - (precisions?.reduce(0) { $0 + 0.5 * log($1) } ?? 0)
        for c in terms.indices {
            whiten(column: c)
            products(c, with: c + 1)
        }
    }

    private func whiten(_ v: UnsafeMutablePointer<Double>) {
        whitenings[noise].apply(v)
        if let precisions { for i in 0..<n { v[i] *= precisions[i].squareRoot() } }
    }

    private func whiten(column c: Int) {
        (columns + c * n).update(from: plain + c * n, count: n)
        whiten(columns + c * n)
    }

    /// A term's column as it is.
    private func fill(_ term: Int, _ scores: [Double], _ column: UnsafeMutablePointer<Double>) {
        let t = family.terms[term]
        t.fill(series.x, n, zip(t.inner, scores).map { $0.value($1) }, into: column)
    }

    func append(_ term: Int, _ scores: [Double]) {
        terms.append(term)
        inner.append(scores)
        update(terms.count - 1)
    }

    func removeColumn(_ c: Int) {
        let last = terms.count - 1
        if c != last {
            for all in [plain, columns] { (all + c * n).update(from: all + last * n, count: n) }
            terms[c] = terms[last]
            inner[c] = inner[last]
        }
        terms.removeLast()
        inner.removeLast()
        if c != last { products(c, with: last) }
    }

    func setInner(_ c: Int, _ scores: [Double]) {
        inner[c] = scores
        update(c)
    }

    private func update(_ c: Int) {
        fill(terms[c], inner[c], plain + c * n)
        whiten(column: c)
        products(c, with: terms.count)
    }

    /// A column's part of ΦᵀΦ with the first `count`, and of Φᵀy.
    private func products(_ c: Int, with count: Int) {
        let column = columns + c * n
        for j in 0..<count {
            let d = Self.dot(column, columns + j * n, n)
            gram[c * stride + j] = d
            gram[j * stride + c] = d
        }
        projection[c] = Self.dot(column, y, n)
    }

    @inline(__always)
    static func dot(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, _ n: Int) -> Double {
        var s = SIMD4<Double>(), i = 0
        while i + 4 <= n {
            s += SIMD4(a[i], a[i + 1], a[i + 2], a[i + 3]) * SIMD4(b[i], b[i + 1], b[i + 2], b[i + 3])
            i += 4
        }
        var total = s.sum()
        while i < n { total += a[i] * b[i]; i += 1 }
        return total
    }

    /// The log-density at a score of σ; −∞ where it cannot be worked out.
    public func logDensity(_ level: Double) -> Double {
        let sigma = NoiseModel.level.value(level)
        if isHeavy, precisions == nil { return heavy.logDensity(self, sigma) }
        let ratio = sigma * sigma / (RegressionFamily.amplitudeSD * RegressionFamily.amplitudeSD), k = size
        guard solve(ratio) else { return -.infinity }
        let explained = Self.dot(work, work, k), count = Double(n)
        return -0.5
            * (count * log(2 * .pi * sigma * sigma) + factor.logDeterminant - Double(k) * log(ratio)
                + max(0, square - explained) / (sigma * sigma)) - logDeterminant
    }

    /// Leaves L⁻¹h in `work`.
    func solve(_ ratio: Double) -> Bool {
        guard factor.factorise(gram, stride: stride, size: size, ridge: ratio) else { return false }
        work.update(from: projection, count: size)
        factor.forward(work)
        return true
    }

    /// Draws amplitudes given the rest, in the order of columns (normal noise, or precisions known); zeros of
    /// randomness, the mean, without a source.
    func amplitudes(_ level: Double, using random: inout RandomSource, mean isMean: Bool = false) -> [Double] {
        let sigma = NoiseModel.level.value(level)
        guard solve(sigma * sigma / (RegressionFamily.amplitudeSD * RegressionFamily.amplitudeSD)) else {
            return Array(repeating: 0, count: size)
        }
        if !isMean { for i in 0..<size { work[i] += sigma * random.normal() } }
        factor.backward(work)
        return (0..<size).map { work[$0] }
    }

    /// Errors of the whitened data at given amplitudes, precisions aside.
    func residuals(_ amplitudes: [Double]) -> [Double] {
        (0..<n).map { i in
            var r = y[i]
            for c in 0..<size { r -= amplitudes[c] * columns[c * n + i] }
            return precisions.map { r / $0[i].squareRoot() } ?? r
        }
    }

    /// One more term at each of some scores of its inner parameters: the last pivot of ΦᵀΦ + (σ²/s²) I, and the
    /// column's product with y beyond what the others have of it; after `solve`.
    private func bordered(_ term: Int, _ candidates: [[Double]], ratio: Double) -> [(pivot: Double, product: Double)] {
        let k = size
        return withUnsafeTemporaryAllocation(of: Double.self, capacity: max(1, k)) { v in
            candidates.map { scores in
                fill(term, scores, candidate)
                whiten(candidate)
                for c in 0..<k { v[c] = Self.dot(candidate, columns + c * n, n) }
                factor.forward(v.baseAddress!)
                return (
                    Self.dot(candidate, candidate, n) + ratio - Self.dot(v.baseAddress!, v.baseAddress!, k),
                    Self.dot(candidate, y, n) - Self.dot(v.baseAddress!, work, k)
                )
            }
        }
    }

    /// What one more term would add to the log-density at each of some scores of its inner parameters, σ kept but the
    /// misfit scaled to what remains; after `solve`.
    ///
    /// An estimate, for choosing what to try; with heavy tails it takes the errors for normal.
    func gains(_ term: Int, _ candidates: [[Double]], ratio: Double) -> [Double] {
        let rest = max(1e-300, square - Self.dot(work, work, size))
        return bordered(term, candidates, ratio: ratio).map { d, e in
            -0.5 * Double(n) * log1p(-min(1 - 1e-12, e * e / (d * rest))) - 0.5 * log(d / ratio)
        }
    }

    /// The log-density at a score of σ, and with one more term at each of some scores of its inner parameters: normal
    /// noise, or precisions known.
    /// - Accuracy: 1e-8 of appending the term, as a test asserts.
    func additions(_ term: Int, _ candidates: [[Double]], _ level: Double) -> (without: Double, with: [Double]) {
        let without = logDensity(level), sigma = NoiseModel.level.value(level)
        let ratio = sigma * sigma / (RegressionFamily.amplitudeSD * RegressionFamily.amplitudeSD)
        let with = bordered(term, candidates, ratio: ratio).map { d, e in
            without + 0.5 * (e * e / (d * sigma * sigma) - log(d / ratio))
        }
        return (without, with)
    }
}
