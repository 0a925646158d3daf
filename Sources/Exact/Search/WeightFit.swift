import ModelSpace

/// Sixteen samples at once.
typealias SampleLanes = SIMD16<Float>

/// The weights that explain the data best by least squares, given sixteen shapes: rough, quick, for ranking starts.
///
/// With u the weights above their floors (`SignalLayout`: u ≥ 0, Ẽ_k = E_k + Σ_j φ_j E_j / (1 − Σφ)), ½ uᵀGu − pᵀu with
/// G = ẼᵀẼ, p = Ẽᵀy is brought down one coordinate after the other, all sixteen together. Of normal coefficients u may
/// have any sign.
enum WeightFit {
    static func roomCount(_ layout: SignalLayout) -> Int { (layout.componentCount + 3) * layout.componentCount }

    /// - Parameters:
    ///   - e: M × W vectors, as `SignalKernels.attenuations` leaves them; floors are mixed in on the way.
    ///   - weights: fractions (or coefficients), W vectors.
    ///   - room: `roomCount` vectors to work in.
    /// - Returns: Σ (y − S)² and s0.
    static func fit(
        _ y: UnsafePointer<Float>, count m: Int, _ layout: SignalLayout, e: UnsafePointer<Float>,
        weights: UnsafeMutablePointer<SampleLanes>, room: UnsafeMutablePointer<SampleLanes>
    ) -> (squares: SampleLanes, scale: SampleLanes) {
        let w = layout.componentCount, isSimplex = layout.weights == .simplex, free = Float(1 - layout.floors)
        let gram = room, product = gram + w * w, u = product + w, row = u + w
        gram.update(repeating: .zero, count: roomCount(layout))
        var total = SampleLanes.zero
        for i in 0..<m {
            let at = UnsafeRawPointer(e + i * w * 16)
            var mixed = SampleLanes.zero
            for k in 0..<w {
                row[k] = at.loadUnaligned(fromByteOffset: 64 * k, as: SampleLanes.self)
                if isSimplex, layout.components[k].bound > 0 {
                    mixed += row[k] * (Float(layout.components[k].bound) / free)
                }
            }
            if isSimplex { for k in 0..<w { row[k] += mixed } }
            let value = SampleLanes(repeating: y[i])
            total += value * value
            for k in 0..<w {
                product[k] += row[k] * value
                for j in 0...k { gram[k * w + j] += row[k] * row[j] }
            }
        }
        // A little ridge: columns that are alike share what they explain.
        for k in 0..<w {
            let bound = isSimplex ? SampleLanes(repeating: 1e-4 * Float(m)) : SampleLanes(repeating: 1e-4)
            gram[k * w + k] += bound
            for j in 0..<k { gram[j * w + k] = gram[k * w + j] }
        }
        for _ in 0..<24 {
            for k in 0..<w {
                var rest = product[k]
                for j in 0..<w where j != k { rest -= gram[k * w + j] * u[j] }
                let best = rest / gram[k * w + k]
                u[k] = isSimplex ? best.replacing(with: 0, where: best .< 0) : best
            }
        }
        var squares = total, sum = SampleLanes.zero
        for k in 0..<w {
            var g = SampleLanes.zero
            for j in 0..<w { g += gram[k * w + j] * u[j] }
            squares += u[k] * (g - 2 * product[k])
            sum += u[k]
        }
        guard isSimplex else {
            for k in 0..<w { weights[k] = u[k] }
            return (squares, SampleLanes(repeating: 1))
        }
        let scale = (sum / free).replacing(with: 1e-3, where: sum .< 1e-3)
        for k in 0..<w { weights[k] = u[k] / scale + Float(layout.components[k].bound) }
        return (squares, scale)
    }
}
