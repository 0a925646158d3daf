import Foundation

/// Flat arrays derived from an acquisition, owned once and read by the kernels without copies or reference counting.
///
/// Shapes: M measurements; n volumes in the tensor fit.
final class AcquisitionTables: @unchecked Sendable {
    let count: Int
    /// M floats each: b (s/mm²), direction, compressed b, log(1 + b/1000), 1 for weighted volumes, 1 for one in the
    /// tensor fit.
    let b, gx, gy, gz, compressedB, logB, weighted, fitMask: UnsafePointer<Float>
    /// Volumes in the tensor fit, and products of its 7 regressors X = (1, −b g_x², …): 7 rows X_j = X_0 X_j, then the
    /// 21 others with j ≤ k; 28 × n.
    let fitCount: Int
    let fitIndices: UnsafePointer<Int32>
    let products: UnsafePointer<Double>
    /// b≈0 volumes.
    let unweightedCount: Int
    let unweighted: UnsafePointer<Int32>
    /// Whether some b≈0 volume has b > 0.
    let unweightedHaveB: Bool
    /// Volumes of the lowest and of the highest range of b.
    let low, high: UnsafeBufferPointer<Int32>
    /// Summaries that depend on the acquisition alone, standardised.
    let summary: UnsafePointer<Float>
    /// The numbers behind `summary`.
    let statistics: AcquisitionStatistics

    private let timing: [PulseTiming]?
    /// `TimingFeatures` of every volume; none where nobody says when the pulses come.
    let timingFeatures: [(Float, Float)]
    private let floats: UnsafeMutablePointer<Float>
    private let doubles: UnsafeMutablePointer<Double>
    private let integers: UnsafeMutablePointer<Int32>

    init(
        bValues: [Double], directions: [SIMD3<Double>], unweighted unweightedIndices: [Int],
        timing: [PulseTiming]? = nil
    ) {
        self.timing = timing
        timingFeatures = timing?.map(TimingFeatures.values) ?? []
        let m = bValues.count
        count = m
        var isWeighted = [Bool](repeating: true, count: m)
        for i in unweightedIndices { isWeighted[i] = false }
        let weightedIndices = (0..<m).filter { isWeighted[$0] }
        let fit = Self.tensorVolumes(bValues, directions, unweightedIndices, weightedIndices)
        let n = fit.count
        let top = bValues.max()!, bottom = weightedIndices.map { bValues[$0] }.min()!
        var lowRange = weightedIndices.filter { bValues[$0] <= 1600 }
        if lowRange.isEmpty { lowRange = weightedIndices.filter { bValues[$0] <= 1.15 * bottom } }
        let highRange = weightedIndices.filter { bValues[$0] >= 0.85 * top }
        statistics = AcquisitionStatistics(bValues: bValues, directions: directions, isWeighted: isWeighted)

        floats = .allocate(capacity: 8 * m + ObservationScale.protocolCount)
        let pointer = floats
        func row(_ k: Int) -> UnsafePointer<Float> { UnsafePointer(pointer + k * m) }
        b = row(0); gx = row(1); gy = row(2); gz = row(3)
        compressedB = row(4); logB = row(5); weighted = row(6); fitMask = row(7)
        summary = row(8)
        for i in 0..<m {
            let k = bValues[i] / 1000
            floats[i] = Float(bValues[i])
            floats[m + i] = Float(directions[i].x)
            floats[2 * m + i] = Float(directions[i].y)
            floats[3 * m + i] = Float(directions[i].z)
            floats[4 * m + i] = Float(AcquisitionStatistics.compress(bValues[i]))
            floats[5 * m + i] = Float(log1p(k))
            floats[6 * m + i] = isWeighted[i] ? 1 : 0
            floats[7 * m + i] = 0
        }
        for i in fit { floats[7 * m + i] = 1 }
        for (k, value) in statistics.summary.enumerated() { floats[8 * m + k] = value }

        let table = UnsafeMutablePointer<Double>.allocate(capacity: 28 * n)
        doubles = table
        products = UnsafePointer(table)
        for (j, i) in fit.enumerated() {
            let k = bValues[i] / 1000, g = directions[i]
            let x = (
                1.0, -k * g.x * g.x, -k * g.y * g.y, -k * g.z * g.z, -2 * k * g.x * g.y, -2 * k * g.x * g.z,
                -2 * k * g.y * g.z
            )
            withUnsafeBytes(of: x) { raw in
                let x = raw.bindMemory(to: Double.self)
                var r = 0
                for p in 0..<7 { for q in p..<7 { table[r * n + j] = x[p] * x[q]; r += 1 } }
            }
        }
        fitCount = n

        let target = UnsafeMutablePointer<Int32>.allocate(
            capacity: n + unweightedIndices.count + lowRange.count + highRange.count)
        integers = target
        var used = 0
        func store(_ list: [Int]) -> UnsafeBufferPointer<Int32> {
            let start = target + used
            for (k, i) in list.enumerated() { start[k] = Int32(i) }
            used += list.count
            return UnsafeBufferPointer(start: start, count: list.count)
        }
        fitIndices = store(fit).baseAddress!
        unweighted = store(unweightedIndices).baseAddress!
        unweightedCount = unweightedIndices.count
        unweightedHaveB = unweightedIndices.contains { bValues[$0] > 0 }
        low = store(lowRange)
        high = store(highRange)
    }

    /// The same measurements as the forms of compartments read them; made when first asked for.
    var forms: FormDesign {
        lock.lock()
        defer { lock.unlock() }
        if let made { return made }
        let new = FormDesign(
            (0..<count).map { i in
                DiffusionMeasurement(
                    b: Double(b[i]), g: SIMD3(Double(gx[i]), Double(gy[i]), Double(gz[i])),
                    smallDelta: timing?[i].duration, bigDelta: timing?[i].separation)
            })
        made = new
        return new
    }
    private let lock = NSLock()
    private var made: FormDesign?

    deinit {
        floats.deallocate()
        doubles.deallocate()
        integers.deallocate()
    }

    /// Volumes for the quick tensor fit: b≈0 and b ≤ 1600 s/mm² if the latter hold six directions, else shells added
    /// from below until six are reached (or all volumes are used).
    static func tensorVolumes(
        _ bValues: [Double], _ directions: [SIMD3<Double>], _ unweighted: [Int], _ weighted: [Int]
    ) -> [Int] {
        var chosen = weighted.filter { bValues[$0] <= 1600 }
        if !hasSixDirections(chosen.lazy.map { directions[$0] }) {
            let rising = weighted.sorted { bValues[$0] < bValues[$1] }
            var end = max(chosen.count, 1)
            while end < rising.count {
                let shellTop = 1.1 * bValues[rising[end - 1]]
                while end < rising.count && bValues[rising[end]] <= shellTop { end += 1 }
                if hasSixDirections(rising[..<end].lazy.map({ directions[$0] })) { break }
                if end < rising.count { end += 1 }
            }
            chosen = Array(rising[..<end])
        }
        return (unweighted + chosen).sorted()
    }

    static func hasSixDirections(_ list: some Sequence<SIMD3<Double>>) -> Bool {
        var kept: [SIMD3<Double>] = []
        for g in list where kept.allSatisfy({ abs(($0 * g).sum()) < 0.99 }) {
            kept.append(g)
            if kept.count == 6 { return true }
        }
        return false
    }
}
