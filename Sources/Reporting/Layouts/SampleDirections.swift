import Inference

/// The direction of a fibre in every equally weighted draw of a voxel, also in draws that lack the fibre.
///
/// Trackers that choose a draw at random in every step (probtrackx2) end where it has no direction, though the voxel
/// has a fibre: a fraction of 0 does not end them. So a draw that lacks the fibre takes the direction
/// 1. of an equally weighted draw that has it: the holders in turn, evenly, so that together the directions are still
///    the fibre's posterior;
/// 2. where there is none, of a stored draw that has it, though it hardly counts at this λ;
/// 3. for the first fibre, that of the first place of its own draw, or of any, which holds one also without a fibre
///    (`DrawColumn`).
///
/// Before all these comes, for the first fibre, what its own draw holds in the first place. Zero where the fit has
/// nothing of all that: further fibres that no draw has, voxels that were not fitted, and fits of versions that stored
/// no direction without a fibre.
struct SampleDirections {
    private let summary: PosteriorSummary
    private let drawCount: Int
    /// [S] scanner frame, length 1 to half precision.
    private var axes: [SIMD3<Float>]
    private var holders: [Int] = [], lacking: [Int] = []
    /// [D × P] of the voxel at hand.
    private var draws: [Float]

    init(_ context: OutputContext) {
        summary = context.summary
        drawCount = context.drawCount
        axes = Array(repeating: .zero, count: context.sampleCount)
        draws = Array(repeating: 0, count: context.drawCount * DrawColumn.count)
    }

    /// The direction in draw s, after `find`.
    subscript(s: Int) -> SIMD3<Float> { axes[s] }

    /// Finds the directions of a fibre of voxel `i` of a shard.
    mutating func find(_ shard: PosteriorShard, _ i: Int, fibre: Int) {
        let v = shard.first + i
        guard summary.isFitted(v) else {
            for s in axes.indices { axes[s] = .zero }
            return
        }
        draws.withUnsafeMutableBufferPointer { shard.readFibres(i, 0...drawCount - 1, into: $0.baseAddress!) }
        func axis(_ d: Int, stick j: Int) -> SIMD3<Float> {
            let mu = d * DrawColumn.count + DrawColumn.direction + 3 * j
            return SIMD3(draws[mu], draws[mu + 1], draws[mu + 2])
        }
        func stick(_ d: Int) -> Int? { summary.assignments[v * drawCount + d].stick(fibre) }
        holders.removeAll(keepingCapacity: true)
        lacking.removeAll(keepingCapacity: true)
        for s in axes.indices {
            let d = summary.draw(v, s)
            if let j = stick(d) {
                axes[s] = axis(d, stick: j)
                holders.append(d)
                continue
            }
            axes[s] = .zero
            // A draw with sticks of other fibres keeps theirs in the first place.
            if fibre == 0, summary.assignments[v * drawCount + d] == .none { axes[s] = axis(d, stick: 0) }
            if axes[s] == .zero { lacking.append(s) }
        }
        guard !lacking.isEmpty else { return }
        if holders.isEmpty { holders = (0..<drawCount).filter { stick($0) != nil } }
        if holders.isEmpty && fibre == 0 { holders = (0..<drawCount).filter { axis($0, stick: 0) != .zero } }
        guard !holders.isEmpty else { return }
        for (n, s) in lacking.enumerated() {
            let d = holders[(2 * n + 1) * holders.count / (2 * lacking.count)]
            axes[s] = axis(d, stick: stick(d) ?? 0)
        }
    }
}
