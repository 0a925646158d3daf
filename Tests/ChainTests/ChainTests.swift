import Diffusion
import Foundation
import ModelSpace
import Testing

@testable import Chain

private typealias Slot = BallSticks.Slot

@Suite struct ChainTests {
    /// Two shells, 43 volumes.
    static let acquisition: Acquisition = {
        let g = DirectionSets.fibonacci(20), zero = SIMD3<Double>(0, 0, 0)
        return try! Acquisition(
            bValues: [0, 0, 0] + Array(repeating: 1000, count: 20) + Array(repeating: 2500, count: 20),
            directions: [zero, zero, zero] + g + g)
    }()

    /// One voxel with noise of the given SNR.
    static func voxel(
        _ sticks: [(f: Double, axis: SIMD3<Double>)], d: Double = 1.2e-3, s: Double = 0, snr: Double, seed: UInt64
    ) -> [Float] {
        var random = RandomSource(seed: seed), theta = [Double](repeating: 0, count: Slot.count),
            y = [Float](repeating: 0, count: acquisition.count)
        theta[Slot.diffusivity] = d
        theta[Slot.spread] = s
        theta[Slot.snr] = snr
        for (k, stick) in sticks.enumerated() {
            theta[Slot.fraction + k] = stick.f
            for c in 0..<3 { theta[Slot.axis + 3 * k + c] = stick.axis[c] }
        }
        let z = Structure(bits: UInt64((1 << sticks.count) - 1 | (s > 0 ? 8 : 0)))
        BallSticks().simulate(&theta, z, acquisition, using: &random, into: &y)
        return y
    }

    static func draws(_ y: [Float], _ options: ChainOptions, seed: UInt64 = 1, stream: UInt64 = 0) -> [[Double]] {
        var random = RandomSource(seed: seed, stream: stream),
            theta = [Double](repeating: .nan, count: options.drawCount * Slot.count)
        BallSticksChain(acquisition: acquisition, options: options).sample(y, using: &random, into: &theta)
        return (0..<options.drawCount).map { Array(theta[$0 * Slot.count..<($0 + 1) * Slot.count]) }
    }

    /// Kernels against their formulas.
    @Test(arguments: [0.0, 2e-5, 7e-4, 9e-3])
    func rowsAndProductsMatchTheirFormulas(spread: Double) {
        let design = ChainDesign(Self.acquisition), n = design.padded, d = 1.3e-3
        #expect(n % 16 == 0 && n >= design.count)
        let memory = UnsafeMutablePointer<Double>.allocate(capacity: 6 * n),
            products = UnsafeMutablePointer<SIMD4<Double>>.allocate(capacity: 5)
        defer { memory.deallocate(); products.deallocate() }
        memory.initialize(repeating: 0, count: 6 * n)
        products.initialize(repeating: .zero, count: 5)
        var random = RandomSource(seed: 4)
        let rows = ChainRows(
            ball: memory, first: memory + n, second: memory + 2 * n, third: memory + 3 * n, products: products)
        let y = memory + 4 * n
        for i in 0..<design.count { y[i] = random.uniform() }
        for k in 0..<4 {
            let axis = k == 0 ? nil : DirectionSets.uniform(using: &random)
            design.fill(rows[k], diffusivity: d, spread: spread, axis: axis)
            for i in 0..<n {
                guard i < design.count else { #expect(rows[k][i] == 0); continue }
                let c = axis.map { (Self.acquisition.directions[i] * $0).sum() } ?? 1,
                    b = Self.acquisition.bValues[i] * c * c
                let expected =
                    spread > 0 ? exp(-(d / spread) * (d / spread) * log1p(b * spread * spread / d)) : exp(-b * d)
                #expect(abs(rows[k][i] - expected) <= 1e-6)
            }
        }
        for k in 0..<4 { rows.replace(k, rows[k], y, n) }
        for k in 0..<4 {
            #expect(abs(products[0][k] - (0..<n).reduce(0) { $0 + y[$1] * rows[k][$1] }) <= 1e-12)
            for j in 0..<4 {
                #expect(abs(products[1 + k][j] - (0..<n).reduce(0) { $0 + rows[j][$1] * rows[k][$1] }) <= 1e-12)
            }
        }
        let w = SIMD4(0.4, 0.3, 0.2, 0.1), s0 = 1.1
        let direct = (0..<n).reduce(0) { sum, i in
            let r = y[i] - s0 * (0..<4).reduce(0) { $0 + w[$1] * rows[$1][i] }
            return sum + r * r
        }
        let square = (0..<n).reduce(0) { $0 + y[$1] * y[$1] }
        #expect(abs(rows.residual(w, s0, square: square) - direct) <= 1e-11)
    }

    /// After thousands of moves the bookkeeping still gives the squared residual of the state as the family predicts
    /// it.
    @Test(arguments: [(1, false), (2, true), (3, false), (3, true)])
    func bookkeepingFollowsTheState(fibres: Int, spread: Bool) {
        var options = ChainOptions()
        options.fibres = fibres
        options.hasSpread = spread
        let y = Self.voxel([(0.5, SIMD3(1, 0, 0)), (0.3, SIMD3(0, 1, 0))], snr: 20, seed: 3)
        let chain = BallSticksChain(acquisition: Self.acquisition, options: options)
        var walk = chain.open(y, RandomSource(seed: 8)), row = [Double](repeating: 0, count: Slot.count)
        chain.place(&walk)
        walk.begin()
        for sweep in 0..<3000 {
            walk.sweep()
            walk.exchange()
            if sweep % 40 == 39 { walk.adapt() }
            guard sweep % 500 == 499 else { continue }
            walk.write(&row)
            let z = Structure(bits: UInt64((1 << fibres) - 1 | (spread ? 8 : 0)))
            let direct = (0..<y.count).reduce(0) { sum, i in
                let r =
                    Double(y[i]) - walk.s0
                    * BallSticks.attenuation(row, z, b: Self.acquisition.bValues[i], g: Self.acquisition.directions[i])
                return sum + r * r
            }
            #expect(abs(walk.sse - direct) <= 2e-5 * direct)
            #expect(abs(walk.w.sum() - 1) < 1e-12 && walk.w.min() >= 0)
            for k in 1...fibres { let v = walk.axis(k); #expect(abs((v * v).sum() - 1) < 1e-12) }
        }
    }

    /// Two crossing fibres are found, with their fractions, diffusivity and noise.
    @Test(arguments: [false, true])
    func recoversCrossingFibres(spread: Bool) {
        var options = ChainOptions()
        options.hasSpread = spread
        var random = RandomSource(seed: 15), angles: [Double] = [], fractions: [Double] = [], snr: [Double] = []
        for v in 0..<12 {
            let a = DirectionSets.uniform(using: &random), r = DirectionSets.uniform(using: &random),
                cross = r - (r * a).sum() * a
            let across = cross / (cross * cross).sum().squareRoot(), b = 0.3 * a + 0.91.squareRoot() * across
            let y = Self.voxel([(0.5, a), (0.3, b)], s: spread ? 6e-4 : 0, snr: 40, seed: UInt64(v))
            let draws = Self.draws(y, options, stream: UInt64(v))
            for t in draws {
                for (k, axis) in [a, b].enumerated() {
                    let u = SIMD3(t[Slot.axis + 3 * k], t[Slot.axis + 3 * k + 1], t[Slot.axis + 3 * k + 2])
                    angles.append(acos(min(1, abs((u * axis).sum()))) * 180 / .pi)
                    fractions.append(t[Slot.fraction + k] - (k == 0 ? 0.5 : 0.3))
                }
                snr.append(t[Slot.snr])
            }
        }
        angles.sort()
        #expect(angles[angles.count / 2] < 4)
        #expect(angles[angles.count * 9 / 10] < 12)
        #expect(abs(fractions.reduce(0, +) / Double(fractions.count)) < 0.05)
        let meanSNR = snr.reduce(0, +) / Double(snr.count)
        #expect(meanSNR > 34 && meanSNR < 46)
    }

    /// Relevance determination removes the second and third fibre where there is one; without it they stay.
    @Test func relevanceDeterminationSuppressesNeedlessFibres() {
        var counts = (with: 0, without: 0, draws: 0)
        for v in 0..<10 {
            let y = Self.voxel([(0.6, SIMD3(0.6, 0, 0.8))], snr: 25, seed: UInt64(50 + v))
            var options = ChainOptions()
            for t in Self.draws(y, options, stream: UInt64(v)) {
                if t[Slot.fraction + 1] > 0.05 { counts.with += 1 }; counts.draws += 1
            }
            options.relevanceWeight = 0
            for t in Self.draws(y, options, stream: UInt64(v)) where t[Slot.fraction + 1] > 0.05 { counts.without += 1 }
        }
        #expect(counts.with * 5 < counts.draws)
        #expect(counts.without * 2 > counts.draws)
    }

    /// Same seed and stream, same draws, whatever the chain did before; another stream, others.
    @Test func isDeterministic() {
        let y = Self.voxel([(0.5, SIMD3(0, 0, 1))], snr: 20, seed: 1), other = Self.voxel([], snr: 20, seed: 2)
        var options = ChainOptions()
        options.burnIn = 100
        options.jumps = 260
        let chain = BallSticksChain(acquisition: Self.acquisition, options: options)
        func run(_ y: [Float], _ stream: UInt64) -> [Double] {
            var random = RandomSource(seed: 1, stream: stream),
                theta = [Double](repeating: 0, count: options.drawCount * Slot.count)
            chain.sample(y, using: &random, into: &theta)
            return theta
        }
        let first = run(y, 3)
        _ = run(other, 4)
        #expect(run(y, 3) == first)
        #expect(run(y, 5) != first)
        #expect(Self.draws(y, options, stream: 3).flatMap { $0 } == first)
        let isFinite = first.allSatisfy { $0.isFinite }
        #expect(isFinite)
    }

    /// Draws whose fibres were shuffled get their names back, most heavily weighted first.
    @Test func labelsAreUnified() {
        var random = RandomSource(seed: 2), theta: [Double] = []
        let axes = [SIMD3(0, 0, 1.0), SIMD3(1.0, 0, 0), SIMD3(0, 1.0, 0)], fractions = [0.35, 0.3, 0.1]
        for _ in 0..<50 {
            var row = [Double](repeating: 0, count: Slot.count), order = [0, 1, 2]
            order.shuffle(using: &random)
            for (k, from) in order.enumerated() {
                row[Slot.fraction + k] = fractions[from] + 0.04 * random.normal()
                for c in 0..<3 { row[Slot.axis + 3 * k + c] = axes[from][c] * (random.uniform() < 0.5 ? -1 : 1) }
            }
            theta += row
        }
        FibreLabels.unify(&theta, draws: 50, fibres: 3)
        for i in 0..<50 {
            for k in 0..<3 { #expect(abs(theta[i * Slot.count + Slot.axis + 3 * k + [2, 0, 1][k]]) == 1) }
        }
    }
}
