import CKernels
import Diffusion
import Foundation
import ModelSpace
import Testing

@testable import Exact

/// Draws of compartment weights and noise given a shape: support, weights against a plain double-precision computation,
/// and their mean against numerical integration.
@Suite struct ConditionalWeightsTests {
    typealias Slot = BallSticks.Slot
    static let family = BallSticks()

    /// Of the usual 43 volumes the first and so many more, evenly spaced.
    static func acquisition(_ count: Int) -> Acquisition {
        let all = EnsembleMovesTests.acquisition, kept = (0..<count).map { $0 * all.count / count }
        return try! Acquisition(bValues: kept.map { all.bValues[$0] }, directions: kept.map { all.directions[$0] })
    }

    /// A voxel, samples that all have its shape, and log p(y|θ) − log q of each under both kinds of noise.
    struct Drawn {
        var acquisition: Acquisition, y: [Float], theta: [Double], views: [ConditionalWeights.View]
        var rows: [Float], gaussian: [Double], rician: [Double], count: Int
        func sample(_ i: Int) -> [Double] { (0..<16).map { Double(rows[$0 * count + i]) } }
    }

    static func draw(
        _ index: Int, snr: Double, fractions: [Double] = [0.45, 0.3, 0.1], volumes: Int = 43, count: Int, seed: UInt64,
        both: Bool
    ) -> Drawn {
        let acquisition = acquisition(volumes), structures = family.structureSpace.structures, z = structures[index],
            g = LocalGeometry(z)
        var theta = EvidenceSamplerTests.voxel(z, snr: snr, seed: seed).theta
        for k in 0..<g.sticks { theta[Slot.fraction + k] = fractions[k] }
        var y = [Float](repeating: 0, count: volumes), noise = RandomSource(seed: seed, stream: 1)
        family.simulate(&theta, z, acquisition, using: &noise, into: &y)
        let views = (both ? [index & ~1, index | 1] : [index & ~1]).map {
            ConditionalWeights.View(y, theta, structures[$0], acquisition)
        }
        let weights = ConditionalWeights(acquisition: acquisition)
        let job = weights.job(y, g, views: views, scale: theta[Slot.s0], canBeRician: y.allSatisfy { $0 > 0 })
        var random = RandomSource(seed: seed)
        let uniforms = (0..<(g.sticks + 2) * count).map { _ in Float(min(1 - 1e-6, max(1e-6, random.uniform()))) }
        var rows = [Float](repeating: 0, count: 16 * count), gaussian = [Double](repeating: 0, count: count),
            rician = gaussian
        for i in 0..<count {
            rows[i] = Float(log(theta[Slot.diffusivity]))
            rows[count + i] = g.hasSpread ? Float(log(theta[Slot.spread] / theta[Slot.diffusivity])) : 0
            for k in 7..<16 { rows[k * count + i] = Float(theta[k]) }
        }
        weights.draw(
            job, uniforms: uniforms, first: 0, count: count, stride: count, rows: &rows, gaussian: &gaussian,
            rician: &rician)
        return Drawn(
            acquisition: acquisition, y: y, theta: theta, views: views, rows: rows, gaussian: gaussian, rician: rician,
            count: count)
    }

    /// θ of a sample, sticks in order.
    static func theta(_ x: [Double], _ z: Structure) -> [Double] {
        var t = [Double](repeating: 0, count: 16)
        t[Slot.diffusivity] = exp(x[0])
        t[Slot.spread] = BallSticks.hasSpread(z) ? exp(x[0] + x[1]) : 0
        t[Slot.snr] = exp(x[2])
        t[Slot.s0] = exp(x[3])
        for k in 4..<16 { t[k] = x[k] }
        BallSticks.sortSticks(&t, count: BallSticks.stickCount(z))
        return t
    }

    /// log q of a sample by (log snr, log s0, f) as `weights.h` defines it, in double.
    static func reference(_ d: Drawn, _ x: [Double], _ z: Structure) -> Double {
        let acquisition = d.acquisition, n = BallSticks.stickCount(z), w = n + 1, m = acquisition.count,
            floor = BallSticks.fractionFloor, free = 1 - Double(n) * floor
        var alone = [Double](repeating: 0, count: 16)
        (alone[0], alone[1], alone[4]) = (exp(x[0]), BallSticks.hasSpread(z) ? exp(x[0] + x[1]) : 0, 1)
        func column(_ k: Int) -> [Double] {
            if k > 0 { for c in 0..<3 { alone[7 + c] = x[4 + 3 * k + c] } }
            let bits = (k > 0 ? 1 : 0) | z.bits & ~7
            return (0..<m).map {
                BallSticks.attenuation(
                    alone, Structure(bits: bits), b: acquisition.bValues[$0], g: acquisition.directions[$0])
            }
        }
        var e = (0...n).map(column)
        for i in 0..<m {
            let sum = e.dropFirst().reduce(0) { $0 + $1[i] } * floor / free
            for k in 0...n { e[k][i] += sum }
        }
        let s0 = exp(x[3]), u = [s0 * (1 - x[4..<4 + n].reduce(0, +))] + (0..<n).map { s0 * (x[4 + $0] - floor) },
            logSigma = x[3] - x[2]
        var rss = 0.0
        for i in 0..<m { rss += pow(Double(d.y[i]) - (0...n).reduce(0) { $0 + u[$1] * e[$1][i] }, 2) }
        let scale = d.theta[Slot.s0]
        let widths = [1, 0.4, 0.16].prefix(ConditionalWeights.widths(m, LocalGeometry(z)))
        let logs = d.views.flatMap { view in
            widths.map { width -> Double in
                let p = view.precision.map { Double($0) / 1.2 }
                var a = [Double](repeating: 0, count: w * w),
                    mean = [Double](repeating: 4 / scale * free / Double(w), count: w), total = 0.0
                for j in 0..<w {
                    for k in 0..<w {
                        a[j * w + k] = (0..<m).reduce(j == k ? 4 / (scale * scale) : 0) {
                            $0 + p[$1] * e[j][$1] * e[k][$1]
                        }
                    }
                    mean[j] += (0..<m).reduce(0) { $0 + p[$1] * e[j][$1] * Double(view.data[$1]) }
                }
                #expect(Cholesky.factorise(&a, w))
                Cholesky.solve(a, w, &mean)
                for j in (0..<w).reversed() {
                    var shift = 0.0
                    for k in j + 1..<max(w, j + 1) { shift += a[k * w + j] * (u[k] - mean[k]) }
                    let root = a[j * w + j] * width, z = (u[j] - mean[j]) * root + shift * width,
                        low = -mean[j] * root + shift * width
                    total += log(root) - 0.5 * log(2 * .pi)
                    if low > 8 {
                        total += 0.5 * log(2 * .pi) + log(low) - low * (z - low)
                    } else {
                        total += -0.5 * z * z - ShapeProposalTests.logInterval(low, 60)
                    }
                }
                let root = (2 * Double(m)).squareRoot() / (1 + 3 / Double(m)), low = x[3] - BallSticks.logSNR.high,
                    high = x[3] - BallSticks.logSNR.low
                let
                    centre = max(
                        low - min(5 / root, Double(m) / (root * root)),
                        min(high + 5 / root, view.logSigma + 0.5 * (log(rss) - view.logSquares))),
                    z = (logSigma - centre) * root
                return total + log(root) - 0.5 * (z * z + log(2 * .pi))
                    - ShapeProposalTests.logInterval((low - centre) * root, (high - centre) * root)
            }
        }
        let peak = logs.max()!
        return peak + log(logs.reduce(0) { $0 + exp($1 - peak) } / Double(logs.count)) + (n > 0 ? log(free) : 0)
            + Double(n + 1) * x[3]
    }

    /// 43, 22 and 9 volumes give one, two and three widths.
    @Test(arguments: [0, 3, 4, 7, 8, 10, 12, 15], [(4.0, 43), (25, 43), (120, 43), (25, 22), (60, 9)])
    func weightsEqualThePlainOnes(_ index: Int, _ setting: (snr: Double, volumes: Int)) {
        let z = Self.family.structureSpace.structures[index], n = BallSticks.stickCount(z), both = index % 2 == 1
        let d = Self.draw(
            index, snr: setting.snr, volumes: setting.volumes, count: 37, seed: UInt64(index) + 3, both: both)
        var worst = 0.0
        for i in 0..<d.count {
            let x = d.sample(i), theta = Self.theta(x, z)
            #expect(Self.family.logPrior(theta, z) > -.infinity, "\(theta)")
            for (rician, found) in [(0, d.gaussian[i]), (1, d.rician[i])]
            where rician == 0 || d.y.allSatisfy({ $0 > 0 }) {
                let likelihood = Self.family.logLikelihood(
                    d.y, theta, Self.family.structureSpace.structures[index & ~1 | rician], d.acquisition)
                let expected = likelihood - Self.reference(d, x, z)
                // The rows' own rounding, 6e-8, moves a weight by as many of its standard deviations, 1/(snr √M) wide.
                worst = max(worst, abs(found - expected) / (1 + abs(Self.reference(d, x, z)) * 0.02))
            }
        }
        #expect(n >= 0 && worst < 0.02, "\(worst)")
    }

    /// E_q[p/q] = ∫ p(y|θ) d log snr d log s0 df: ball and one stick, both kinds of noise, one view and two, also where
    /// a bound of f cuts.
    @Test(arguments: [0, 1, 4, 5], [0.05, 0.4])
    func meanIsTheIntegral(_ index: Int, _ fraction: Double) {
        let z = Self.family.structureSpace.structures[index], n = BallSticks.stickCount(z)
        let d = Self.draw(index, snr: 8, fractions: [fraction], count: 4000, seed: 21, both: index % 2 == 1),
            acquisition = d.acquisition
        let logs = index % 2 == 1 ? d.rician : d.gaussian
        var t = d.theta, scratch = [Float](repeating: 0, count: acquisition.count), total = 0.0
        let peak = logs.max()!, snr = stride(from: log(3.0), to: log(40), by: 0.02),
            s0 = stride(from: -0.4, to: 0.4, by: 0.01)
        let steps = n == 0 ? [0.0] : (0..<95).map { BallSticks.fractionFloor + (Double($0) + 0.5) * 0.01 }
        for a in snr {
            for b in s0 {
                for f in steps {
                    (t[Slot.snr], t[Slot.s0], t[Slot.fraction]) = (exp(a + 0.01), d.theta[Slot.s0] * exp(b + 0.005), f)
                    total += exp(Self.family.logLikelihood(d.y, t, z, acquisition, scratch: &scratch) - peak)
                }
            }
        }
        total *= 0.02 * 0.01 * (n == 0 ? 1 : 0.01)
        ShapeProposalTests.expectOne(logs.map { exp($0 - peak) / total })
    }

    /// A shape that is NaN weighs nothing.
    @Test func absentShapes() {
        let g = LocalGeometry(Self.family.structureSpace.structures[4]),
            d = Self.draw(4, snr: 20, count: 20, seed: 1, both: false)
        let weights = ConditionalWeights(acquisition: d.acquisition)
        let job = weights.job(d.y, g, views: d.views, scale: 1, canBeRician: true)
        var rows = d.rows, gaussian = [Double](repeating: 0, count: 20), rician = gaussian
        rows[3] = .nan
        rows[9 * 20 + 7] = .nan
        weights.draw(
            job, uniforms: [Float](repeating: 0.5, count: 60), first: 0, count: 20, stride: 20, rows: &rows,
            gaussian: &gaussian, rician: &rician)
        for i in 0..<20 {
            #expect(gaussian[i].isFinite == (i != 3 && i != 7))
            #expect(
                (gaussian[i] == -.infinity) == (i == 3 || i == 7) && (rician[i] == -.infinity) == (i == 3 || i == 7))
        }
    }
}
