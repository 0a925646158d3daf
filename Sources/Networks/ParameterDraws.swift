import Foundation
import ModelSpace
import Tensors

/// Draws laid out as the parameter decoder takes them: a row for each active token of each.
///
/// Holds memory of the runner's step tape.
private struct TokenRows {
    let count: Int
    /// [count · Q]: which coordinates a row has.
    let mask: [Float]
    let tokenOfRow: [Int]
    private let coordinates: Int
    private let group: UnsafeMutableBufferPointer<Int32>, own: UnsafeMutableBufferPointer<AttentionSegment>
    private let cross: UnsafeBufferPointer<AttentionSegment>
    private let input: Variable<Float>, context: [Variable<Float>]

    /// - Parameter fill: called for every draw in order, with its number and its tokens.
    init(
        _ runner: NetworkRunner, _ voxels: EncodedVoxels, places: [Int], voxelOfDraw: [Int], masks: [[Float]],
        fill: (_ draw: Int, _ tokens: [Int]) -> Void
    ) {
        let t = runner.network.shape.tokens, q = runner.network.shape.coordinates, draws = places.count
        let arena = runner.stepTape.arena, width = q + t
        context = runner.latentContext(voxels)
        coordinates = q
        let l = voxels.latents.rows / voxels.count
        let tokens = masks.map { mask in (0..<t).filter { token in (0..<q).contains { mask[token * q + $0] != 0 } } }
        let rows = places.reduce(0) { $0 + tokens[$1].count }
        own = .take(arena, draws)
        let cross = UnsafeMutableBufferPointer<AttentionSegment>.take(arena, voxels.count)
        group = .take(arena, rows)
        var mask = [Float](repeating: 0, count: rows * q), tokenOfRow = [Int](repeating: 0, count: rows)
        var row = 0, segments = 0, draw = 0
        while draw < draws {
            let voxel = voxelOfDraw[draw], first = row
            while draw < draws, voxelOfDraw[draw] == voxel {
                let s = places[draw], n = tokens[s].count
                own[draw] = AttentionSegment(queries: row..<row + n, keys: row..<row + n)
                fill(draw, tokens[s])
                for token in tokens[s] {
                    group[row] = Int32(s)
                    tokenOfRow[row] = token
                    for j in 0..<q where masks[s][token * q + j] != 0 { mask[row * q + j] = 1 }
                    row += 1
                }
                draw += 1
            }
            cross[segments] = AttentionSegment(queries: first..<row, keys: voxel * l..<(voxel + 1) * l)
            segments += 1
        }
        self.cross = UnsafeBufferPointer(rebasing: UnsafeBufferPointer(cross)[0..<segments])
        count = rows
        (self.mask, self.tokenOfRow) = (mask, tokenOfRow)
        input = runner.stepTape.constant(arena.take(rows * width, zeroed: true), rows, width)
        for r in 0..<rows { input.value[r * width + q + tokenOfRow[r]] = 1 }
    }

    /// F of NoiseLevel: rows × Q, until the runner's scratch is used again.
    func forward(_ runner: NetworkRunner, _ x: [Float], scale: Float, modulation: [Variable<Float>])
        -> UnsafeMutablePointer<Float>
    {
        let q = coordinates, width = input.columns
        for r in 0..<count { for j in 0..<q { input.value[r * width + j] = x[r * q + j] * scale } }
        let inner = Tape<Float>(arena: runner.scratch, records: false)
        inner.reset()
        return runner.network.parameterDecoder.forward(
            inner, runner.weights, x: input, modulation: modulation, group: UnsafePointer(group.baseAddress!),
            own: UnsafeBufferPointer(own), context: context, cross: cross
        ).value
    }
}

extension NetworkRunner {
    /// Draws θ's coordinates from q(θ | z, y) by DPM-Solver++(2M) from σ = 20 to 0.005.
    ///
    /// Shapes: `places[i]` in `structures` for draw i; draws of a voxel are adjacent, `voxelOfDraw` rises from 0.
    /// coordinates draws × T·Q (zero where the mask is).
    /// - Parameters:
    ///   - structures: all that may occur; what depends on them alone is kept for as long as they stay the same.
    ///   - masks: coordinate mask of each of them.
    ///   - normal: fills with standard normals for one draw, as many as its structure has coordinates; called in order
    ///   of draws.
    /// - Source: Lu et al., "DPM-Solver++" (2022), in the data-prediction form with λ = −ln σ.
    public func draw(
        _ voxels: EncodedVoxels, places: [Int], of structures: [Structure], voxelOfDraw: [Int], masks: [[Float]],
        steps: Int,
        normal: (_ draw: Int, _ count: Int, UnsafeMutablePointer<Float>) -> Void
    ) -> [Float] {
        let t = network.shape.tokens, q = network.shape.coordinates, draws = places.count
        stepTape.reset()
        let active = masks.map { $0.count { $0 != 0 } }, highest = Float(NoiseLevel.highest)
        var start = [Float](repeating: 0, count: t * q), x: [Float] = []
        let rows = TokenRows(self, voxels, places: places, voxelOfDraw: voxelOfDraw, masks: masks) {
            draw, tokens in
            let s = places[draw]
            start.withUnsafeMutableBufferPointer { normal(draw, active[s], $0.baseAddress!) }
            var used = 0
            for token in tokens {
                for j in 0..<q {
                    let isThere = masks[s][token * q + j] != 0
                    x.append(isThere ? start[used] * highest : 0)
                    used += isThere ? 1 : 0
                }
            }
        }
        let size = rows.count * q, mask = rows.mask
        let schedule = schedule(steps: steps, structures), levels = schedule.levels
        var clean = [Float](repeating: 0, count: size), before = clean
        for (i, sigma) in levels.enumerated() {
            let scale = Float(1 / (1 + sigma * sigma).squareRoot())
            let f = rows.forward(self, x, scale: scale, modulation: schedule.modulations[i])
            swap(&clean, &before)
            let a = scale * scale, b = Float(sigma) * scale
            for k in 0..<size { clean[k] = (a * x[k] + b * f[k]) * mask[k] }
            guard i + 1 < levels.count else { break }
            let next = levels[i + 1], ratio = Float(next / sigma)
            if i == 0 {
                // The start had mean 0; at so much noise the network's answer hardly depends on it, so its mean can
                // still be put right.
                for k in 0..<size { x[k] += clean[k] }
                for k in 0..<size { x[k] = ratio * x[k] + (1 - ratio) * clean[k] }
            } else {
                let c = Float(0.5 * log(next / sigma) / log(sigma / levels[i - 1]))
                for k in 0..<size { x[k] = ratio * x[k] + (1 - ratio) * (clean[k] + c * (clean[k] - before[k])) }
            }
        }

        var coordinates = [Float](repeating: 0, count: draws * t * q), row = 0
        for d in 0..<draws {
            for token in 0..<t where (0..<q).contains(where: { masks[places[d]][token * q + $0] != 0 }) {
                for j in 0..<q { coordinates[(d * t + token) * q + j] = clean[row * q + j] }
                row += 1
            }
        }
        return coordinates
    }

    /// log q(θ | z, y) of one observation's coordinates (T·Q), blurred by noise of σ = 0.005: along the flow that
    /// carries them to σ = 20. With u = x/√(1 + σ²), which is then standard normal,
    ///
    ///     du/d ln σ = −σ/(1 + σ²) F(u),   d ln q(u)/d ln σ = σ/(1 + σ²) tr ∂F/∂u
    ///
    /// Heun's steps, evenly spaced in ln σ; the trace by central differences, which single precision suits and narrower
    /// formats do not.
    /// - Source: Song et al., "Score-based generative modeling through stochastic differential equations" (2021).
    public func logDensity(
        _ voxels: EncodedVoxels, of coordinates: [Float], _ z: Structure, mask: [Float], steps: Int = 32
    ) -> Double {
        let q = network.shape.coordinates, n = mask.count { $0 != 0 }
        stepTape.reset()
        // The point itself, then each coordinate a step above and below.
        let draws = 2 * n + 1, zeros = Array(repeating: 0, count: draws)
        let rows = TokenRows(self, voxels, places: zeros, voxelOfDraw: zeros, masks: [mask]) { _, _ in }
        let size = rows.count / draws * q, tokens = rows.tokenOfRow.prefix(rows.count / draws)
        let active = (0..<size).filter { rows.mask[$0] != 0 }
        let schedule = schedule(steps: steps, [z]), levels = schedule.levels, h: Float = 0.01
        // du/d ln σ, and the trace of its slopes.
        func flow(_ u: [Double], _ i: Int) -> (rate: [Double], trace: Double) {
            let own = u.map { Float($0) }
            var all = (0..<draws).flatMap { _ in own }
            for (c, k) in active.enumerated() {
                all[(2 * c + 1) * size + k] += h
                all[(2 * c + 2) * size + k] -= h
            }
            let f = rows.forward(self, all, scale: 1, modulation: schedule.modulations[i])
            let scale = -levels[i] / (1 + levels[i] * levels[i])
            let trace = active.enumerated().reduce(0.0) { total, entry in
                let up = (2 * entry.offset + 1) * size + entry.element, down = up + size
                return total + Double(f[up] - f[down]) / Double(all[up] - all[down])
            }
            return (u.indices.map { rows.mask[$0] == 0 ? 0 : scale * Double(f[$0]) }, scale * trace)
        }
        let lowest = 1 + levels[steps] * levels[steps]
        var u = tokens.flatMap { token in (0..<q).map { Double(coordinates[token * q + $0]) / lowest.squareRoot() } }
        var total = -0.5 * Double(n) * log(2 * .pi * lowest)
        for i in (1...steps).reversed() {
            // Levels fall; the flow rises.
            let step = log(levels[i - 1] / levels[i]), here = flow(u, i)
            let there = flow(zip(u, here.rate).map { $0 + step * $1 }, i - 1)
            for k in u.indices { u[k] += 0.5 * step * (here.rate[k] + there.rate[k]) }
            total += 0.5 * step * (here.trace + there.trace)
        }
        return active.reduce(total) { $0 - 0.5 * u[$1] * u[$1] }
    }
}
