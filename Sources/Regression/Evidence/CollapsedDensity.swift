import CKernels
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
    /// From one column to the next: n and zeros up to a multiple of 8.
    let width: Int
    /// Columns, as they are and whitened; ΦᵀΦ with rows `stride` apart; Φᵀy.
    private let plain: UnsafeMutablePointer<Double>
    let columns: UnsafeMutablePointer<Double>, gram: UnsafeMutablePointer<Double>
    let projection: UnsafeMutablePointer<Double>, work: UnsafeMutablePointer<Double>
    let y: UnsafeMutablePointer<Double>
    let stride: Int
    let factor: ColumnFactor
    private(set) var square = 0.0, logDeterminant = 0.0
    private let whitenings: [Whitening]
    /// Of the noise with its precisions, as `pk_whiten` takes them.
    private let correlation: UnsafeMutablePointer<Double>, scale: UnsafeMutablePointer<Double>
    /// Columns of terms without inner parameters, by term.
    private let fixed: [UnsafeMutablePointer<Double>?]
    /// A trial, as it is and whitened; eight trials' products with the columns.
    let trial: UnsafeMutablePointer<Double>, candidate: UnsafeMutablePointer<Double>
    let lanes: UnsafeMutablePointer<Double>
    /// What `replace` took the place of: the column as it was and whitened, its products.
    private let kept: UnsafeMutablePointer<Double>
    /// σ²/s² of what factor and `work` hold; nil where columns have changed since.
    private var solved: Double?
    let heavy: HeavyTails

    public init(_ family: RegressionFamily, _ series: Series) {
        (self.family, self.series) = (family, series)
        n = series.count
        width = (n + 7) & ~7
        stride = family.terms.count + 1
        plain = .filled(stride * width)
        columns = .filled(stride * width)
        gram = .filled(stride * stride)
        projection = .filled(stride)
        work = .filled(stride)
        y = .filled(width)
        trial = .filled(width)
        candidate = .filled(width)
        correlation = .filled(width)
        scale = .filled(width)
        lanes = .filled(8 * stride)
        kept = .filled(2 * width + stride + 1)
        factor = ColumnFactor(most: stride)
        heavy = HeavyTails(n, stride)
        fixed = family.terms.map { [n, width] term in
            guard term.inner.isEmpty else { return nil }
            let column = UnsafeMutablePointer<Double>.filled(width)
            term.fill(series.x, n, [], into: column)
            return column
        }
        whitenings = family.noises.map { Whitening($0, series.x) }
        setNoise(0, precisions: nil)
    }

    deinit {
        for p in [plain, columns, gram, projection, work, y, trial, candidate, correlation, scale, lanes, kept] {
            p.deallocate()
        }
        for p in fixed { p?.deallocate() }
    }

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
        let whitening = whitenings[index]
        for i in 0..<n { scale[i] = whitening.inverse[i] * (precisions.map { $0[i].squareRoot() } ?? 1) }
        if let rho = whitening.correlation { for i in 0..<n { correlation[i] = rho[i] } }
        whiten(series.y, y)
        square = Self.dot(y, y, n)
        solved = nil
        logDeterminant = whitening.logDeterminant - (precisions?.reduce(0) { $0 + 0.5 * log($1) } ?? 0)
        for c in terms.indices {
            whiten(plain + c * width, columns + c * width)
            products(c, with: c + 1)
        }
    }

    func whiten(_ v: UnsafePointer<Double>, _ out: UnsafeMutablePointer<Double>) {
        pk_whiten(n, whitenings[noise].correlation == nil ? nil : correlation, scale, v, out)
    }

    /// A term's column as it is.
    func fill(_ term: Int, _ scores: [Double], _ column: UnsafeMutablePointer<Double>) {
        let t = family.terms[term]
        if let known = fixed[term] { return column.update(from: known, count: n) }
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
            for all in [plain, columns] { (all + c * width).update(from: all + last * width, count: n) }
            terms[c] = terms[last]
            inner[c] = inner[last]
        }
        terms.removeLast()
        inner.removeLast()
        solved = nil
        if c != last { products(c, with: last) }
    }

    func setInner(_ c: Int, _ scores: [Double]) {
        inner[c] = scores
        update(c)
    }

    private func update(_ c: Int) {
        fill(terms[c], inner[c], plain + c * width)
        whiten(plain + c * width, columns + c * width)
        products(c, with: terms.count)
    }

    /// Another term, or other inner parameters, in column c; what was there is kept for `restore`.
    func replace(_ c: Int, _ term: Int, _ scores: [Double]) {
        kept.update(from: plain + c * width, count: width)
        (kept + width).update(from: columns + c * width, count: width)
        (kept + 2 * width).update(from: gram + c * stride, count: size)
        kept[2 * width + stride] = projection[c]
        terms[c] = term
        inner[c] = scores
        update(c)
    }

    /// Undoes the last `replace`, of the same column.
    func restore(_ c: Int, _ term: Int, _ scores: [Double]) {
        (plain + c * width).update(from: kept, count: width)
        (columns + c * width).update(from: kept + width, count: width)
        for j in 0..<size {
            gram[c * stride + j] = kept[2 * width + j]
            gram[j * stride + c] = kept[2 * width + j]
        }
        projection[c] = kept[2 * width + stride]
        solved = nil
        terms[c] = term
        inner[c] = scores
    }

    /// A column's part of ΦᵀΦ with the first `count`, and of Φᵀy.
    private func products(_ c: Int, with count: Int) {
        let column = columns + c * width
        solved = nil
        pk_column_products(width, count, columns, column, gram + c * stride)
        for j in 0..<count { gram[j * stride + c] = gram[c * stride + j] }
        pk_column_products(width, 1, y, column, projection + c)
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

    /// Leaves U⁻ᵀh in `work`.
    func solve(_ ratio: Double) -> Bool {
        // A term that was tried and not taken leaves all as it was.
        if ratio == solved { return true }
        solved = nil
        guard factor.factorise(gram, stride: stride, size: size, ridge: ratio) else { return false }
        work.update(from: projection, count: size)
        factor.forward(work)
        solved = ratio
        return true
    }

    /// Draws amplitudes given the rest, in the order of columns (normal noise, or precisions known); zeros of
    /// randomness, the mean, without a source.
    func amplitudes(_ level: Double, using random: inout RandomSource, mean isMean: Bool = false) -> [Double] {
        let sigma = NoiseModel.level.value(level)
        guard solve(sigma * sigma / (RegressionFamily.amplitudeSD * RegressionFamily.amplitudeSD)) else {
            return Array(repeating: 0, count: size)
        }
        solved = nil
        if !isMean { for i in 0..<size { work[i] += sigma * random.normal() } }
        factor.backward(work)
        return (0..<size).map { work[$0] }
    }

    /// Errors of the whitened data at given amplitudes, precisions aside.
    func residuals(_ amplitudes: [Double]) -> [Double] {
        (0..<n).map { i in
            var r = y[i]
            for c in 0..<size { r -= amplitudes[c] * columns[c * width + i] }
            return precisions.map { r / $0[i].squareRoot() } ?? r
        }
    }
}
