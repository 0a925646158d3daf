import Diffusion
import ModelSpace

/// Turns the draws of one voxel into its columns; holds the scratch memory of one worker.
struct VoxelSummariser {
    private let structures: StructureTable
    private let hasDraws: Bool, drawCount: Int, sampleCount: Int, layout: DrawLayout, shape: SummaryShape
    private let weighting: DrawWeights
    private var matcher = FibreMatcher()
    private var statistics = WeightedStatistics()
    private var posterior = ListedPosterior()
    /// D draws as fibres (`DrawColumn`).
    private var draws: [Float] = []
    private var quantity: [Float], weights: [Float]
    /// Of each row, and of each structure listed.
    private var byRow: [Double], probability: [Double] = []
    /// Which of the family's own numbers draws of a structure have and how, and which models it is.
    private var known: [Structure: (ways: [Int?], models: [Bool])] = [:], shares: [Float]
    private var diffusion = DrawDiffusion()

    init(metadata: PosteriorMetadata, lambda: Double) {
        structures = metadata.structures
        hasDraws = metadata.hasDraws
        drawCount = metadata.drawCount
        sampleCount = metadata.sampleCount
        layout = metadata.layout
        shape = metadata.summaryShape
        weighting = DrawWeights(metadata, target: lambda)
        quantity = Array(repeating: 0, count: metadata.drawCount)
        weights = Array(repeating: 0, count: metadata.drawCount)
        byRow = Array(repeating: 0, count: metadata.structures.count)
        shares = weights
    }

    /// Summarises voxel `i` of a shard.
    /// - Parameters:
    ///   - assignments: receives D fibre assignments.
    ///   - chosen: receives S equally weighted draws.
    ///   - values: column c of this voxel lies at `values[c * stride]`.
    mutating func summarise(
        _ shard: PosteriorShard, _ i: Int, assignments: UnsafeMutablePointer<FibreAssignment>,
        chosen: UnsafeMutablePointer<UInt16>,
        into values: UnsafeMutablePointer<Float>, stride: Int
    ) {
        let s = drawCount, shape = shape
        func set(_ column: SummaryColumn, _ value: Float) { values[column.index(shape) * stride] = value }
        shard.read(i, into: &posterior)
        if layout.fibres.isIdentity { swap(&draws, &posterior.draws) } else if hasDraws { fillFibres() }
        defer { if layout.fibres.isIdentity { swap(&draws, &posterior.draws) } }
        let (effective, rest) = weighting.update(posterior, probability: &probability, weights: &weights)
        set(.effectiveDraws, Float(effective))
        set(.unlisted, Float(rest))
        if hasDraws { DrawWeights.resample(weights, drawCount: s, samples: sampleCount, into: chosen) }

        var byCount = SIMD4<Double>(), spread = 0.0, rician = 0.0
        for row in posterior.rows { byRow[row] = 0 }
        for (row, p) in zip(posterior.rows, probability) { byRow[row] += p }
        for row in posterior.rows { set(.structure(row), Float(byRow[row])) }
        for (j, p) in zip(posterior.rows, probability) {
            let row = structures.rows[j]
            byCount[row.fibreCount] += p
            if row.hasSpread { spread += p }
            if row.isRician { rician += p }
        }
        var expected = 0.0, likeliest = 0
        for n in 0...DrawColumn.fibreCount {
            set(.fibreCount(n), Float(byCount[n]))
            expected += Double(n) * byCount[n]
            if byCount[n] > byCount[likeliest] { likeliest = n }
        }
        // Of structures that are not listed nothing is known: the number expected is that of the others.
        set(.expectedFibreCount, Float(rest > 0 ? expected / (1 - min(rest, 0.999)) : expected))
        set(.likeliestFibreCount, Float(likeliest))
        set(.spread, Float(spread))
        set(.rician, Float(rician))

        if shape.quantities + shape.components > 0 { summariseFamily(into: values, stride: stride) }
        guard hasDraws else { return }
        matcher.match(draws, weights: weights, count: s, into: assignments)
        for q in SummaryQuantity.allCases {
            gather(q, meanB0: shard.meanB0[i], assignments)
            let result = statistics.summarise(quantity, weights, count: s)
            set(.statistic(q, .mean), result.mean)
            set(.statistic(q, .sd), result.sd)
            set(.statistic(q, .q05), result.q05)
            set(.statistic(q, .q50), result.q50)
            set(.statistic(q, .q95), result.q95)
        }
        for k in 0..<DrawColumn.fibreCount {
            var dyad = SymmetricMatrix3()
            var presence = 0.0
            for d in 0..<s {
                guard let j = assignments[d].stick(k) else { continue }
                let mu = d * DrawColumn.count + DrawColumn.direction + 3 * j
                let v = SIMD3(Double(draws[mu]), Double(draws[mu + 1]), Double(draws[mu + 2]))
                let norm = (v * v).sum()
                guard norm > 0 else { continue }
                dyad.add(v, weight: Double(weights[d]) / norm)
                presence += Double(weights[d])
            }
            guard presence > 0 else { continue }
            let (value, axis) = dyad.largest()
            set(.presence(k), Float(min(1, presence)))
            set(.dispersion(k), Float(max(0, 1 - value / presence)))
            for a in 0..<3 { set(.direction(k, axis: a), Float(axis[a])) }
        }
    }

    /// What the family has beside fibres: probabilities of components, and statistics of its own numbers.
    private mutating func summariseFamily(into values: UnsafeMutablePointer<Float>, stride: Int) {
        for i in 0..<shape.components {
            let p = zip(posterior.structures, probability).reduce(0) { $1.0[i] ? $0 + $1.1 : $0 }
            values[SummaryColumn.component(i).index(shape) * stride] = Float(p)
        }
        let own = posterior.structures.map { z in
            if let found = known[z] { return found }
            let new = (layout.quantities.ways(of: z, layout.columns(of: z)), layout.quantities.models(of: z))
            known[z] = new
            return new
        }
        for i in 0..<(shape.models > 0 ? shape.models + 1 : 0) {
            let p = zip(own, probability).reduce(0) { $1.0.models[i] ? $0 + $1.1 : $0 }
            values[SummaryColumn.model(i).index(shape) * stride] = Float(p)
        }
        for i in 0..<shape.quantities {
            let p = zip(own, probability).reduce(0) { $1.0.ways[i] != nil ? $0 + $1.1 : $0 }
            values[SummaryColumn.quantityPresence(i).index(shape) * stride] = Float(p)
        }
        let p = layout.count
        diffusion.read(posterior, layout)
        for i in 0..<shape.quantities {
            var n = 0, total: Float = 0
            posterior.draws.withUnsafeBufferPointer { rows in
                for (d, place) in posterior.drawPlaces.enumerated() {
                    guard let way = own[Int(place)].ways[i] else { continue }
                    quantity[n] = layout.quantities.value(
                        i, rows.baseAddress! + d * p, way: way, water: diffusion[d])
                    shares[n] = weights[d]
                    total += weights[d]
                    n += 1
                }
            }
            guard total > 0 else { continue }
            for k in 0..<n { shares[k] /= total }
            let result = statistics.summarise(quantity, shares, count: n)
            for (statistic, value) in zip(
                SummaryStatistic.allCases, [result.mean, result.sd, result.q05, result.q50, result.q95])
            {
                values[SummaryColumn.quantity(i, statistic).index(shape) * stride] = value
            }
        }
    }

    /// Fills `draws` with the voxel's draws as fibres.
    private mutating func fillFibres() {
        let p = layout.count
        if draws.count != drawCount * DrawColumn.count {
            draws = Array(repeating: 0, count: drawCount * DrawColumn.count)
        }
        posterior.draws.withUnsafeBufferPointer { rows in
            draws.withUnsafeMutableBufferPointer {
                for d in 0..<drawCount {
                    layout.fibres.convert(rows.baseAddress! + d * p, into: $0.baseAddress! + d * DrawColumn.count)
                }
            }
        }
    }

    /// Fills `quantity` with a quantity's value in each draw, in natural units.
    private mutating func gather(_ q: SummaryQuantity, meanB0: Float, _ assignments: UnsafePointer<FibreAssignment>) {
        draws.withUnsafeBufferPointer { draws in
            for d in 0..<drawCount {
                quantity[d] = q.value(draws.baseAddress! + d * DrawColumn.count, meanB0: meanB0, assignments[d])
            }
        }
    }
}
