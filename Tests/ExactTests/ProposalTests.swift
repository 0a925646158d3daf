import CKernels
import Diffusion
import Foundation
import ModelSpace
import Testing

@testable import Exact

/// Components of the importance sampler's proposal: draws, densities and their normalisation.
@Suite struct ProposalTests {
    typealias Slot = BallSticks.Slot
    static let family = BallSticks()
    static let pairs = stride(from: 0, to: 16, by: 2).map { family.structureSpace.structures[$0] }

    /// A component about a θ drawn from the prior, so that bounds often cut it, with correlated coordinates.
    static func component(_ z: Structure, width: Double = 1, using random: inout RandomSource) -> ProposalComponent {
        let g = LocalGeometry(z), d = g.dimension
        var theta = [Double](repeating: 0, count: 16), tangents = [Double](repeating: 0, count: max(1, 6 * g.sticks))
        family.drawParameters(z, CorrectorTests.acquisition, using: &random, into: &theta)
        theta[Slot.s0] = exp(0.1 * random.normal())
        g.tangents(theta, into: &tangents)
        var width = [Double](repeating: 0.15 * width, count: d)
        for k in 0..<g.sticks { width[k] /= 2 }
        if g.hasSpread { width[g.sticks] *= 4 }
        let a = (0..<d * d).map { _ in random.normal() }
        var precision = [Double](repeating: 0, count: d * d)
        for i in 0..<d {
            for j in 0..<d {
                let product = (0..<d).reduce(0) { $0 + a[i * d + $1] * a[j * d + $1] }
                precision[i * d + j] = ((i == j ? 1 : 0) + 0.4 * product / Double(d)) / (width[i] * width[j])
            }
        }
        return ProposalComponent(g, centre: theta, tangents: tangents, precision: precision, logDensity: 0)!
    }

    /// N samples, as 16 rows of N.
    static func draw(_ c: ProposalComponent, _ n: Int, using random: inout RandomSource) -> [Float] {
        let g = c.geometry, uniforms = (0..<g.dimension * n).map { _ in Float(min(1 - 1e-6, max(1e-6, random.uniform()))) }
        var rows = [Float](repeating: 0, count: 16 * n), work = [Float](repeating: 0, count: (g.dimension + 4) * n)
        var support = ProposalComponent.support
        pk_component_draw(c.block, g.sticks, g.hasSpread ? 1 : 0, &support, uniforms, 0, n, n, &rows, &work)
        return rows
    }

    static func logDensity(_ c: ProposalComponent, _ rows: [Float]) -> [Double] {
        let g = c.geometry, n = rows.count / 16
        var out = [Float](repeating: .nan, count: n), work = [Float](repeating: 0, count: (g.dimension + 6) * n), support = ProposalComponent.support
        pk_component_log_density(c.block, g.sticks, g.hasSpread ? 1 : 0, &support, rows, n, n, &out, &work)
        return out.map(Double.init)
    }

    static func sample(_ rows: [Float], _ i: Int) -> [Double] { (0..<16).map { Double(rows[$0 * (rows.count / 16) + i]) } }

    /// log(Φ(b) − Φ(a)) in double.
    static func logInterval(_ a: Double, _ b: Double) -> Double {
        if a + b < 0 { return logInterval(-b, -a) }
        let root = 0.5.squareRoot()
        return log(0.5 * (a > 0 ? erfc(a * root) - erfc(b * root) : erf(b * root) - erf(a * root)))
    }

    /// Density of a sample by the definition in `proposal.h`, in double.
    static func reference(_ c: ProposalComponent, _ x: [Double]) -> Double {
        let g = c.geometry, n = g.sticks, d = g.dimension, b = c.block.map(Double.init)
        func l(_ i: Int, _ j: Int) -> Double { b[PK_COMPONENT_FACTOR + i * d + j] }
        var u = (0..<n).map { x[4 + $0] - b[4 + $0] }
        if g.hasSpread { u.append(x[1] - b[1]) }
        u += [x[0] - b[0], x[2] - b[2], x[3] - b[3]]
        var total = 0.0
        for k in 0..<n {
            func dot(_ at: Int) -> Double { (0..<3).reduce(0) { $0 + b[at + $1] * x[7 + 3 * k + $1] } }
            let w = dot(7 + 3 * k)
            u += [dot(PK_COMPONENT_TANGENTS + 6 * k) / w, dot(PK_COMPONENT_TANGENTS + 6 * k + 3) / w]
            total -= 3 * log(abs(w))
        }
        for j in 0..<d {
            var mean = 0.0
            for k in j + 1..<max(d, j + 1) { mean += l(k, j) * u[k] }
            let w: Double = mean + l(j, j) * u[j]
            total += log(l(j, j)) - 0.5 * (log(2 * Double.pi) + w * w)
            let range: (low: Double, high: Double)
            if j < n {
                let above = (j + 1..<max(n, j + 1)).map { x[4 + $0] }
                range = (above.first ?? BallSticks.fractionFloor, (1 - above.reduce(0, +)) / Double(j + 1))
                total -= logInterval(mean + (range.low - b[4 + j]) * l(j, j), mean + (range.high - b[4 + j]) * l(j, j))
                continue
            }
            if g.hasSpread && j == n { range = BallSticks.logSpreadRatio }
            else if j == g.diffusivityIndex { range = BallSticks.logDiffusivity }
            else if j == g.snrIndex { range = BallSticks.logSNR }
            else { continue }
            let centre = x[j == g.diffusivityIndex ? 0 : j == g.snrIndex ? 2 : 1] - u[j]
            total -= logInterval(mean + (range.low - centre) * l(j, j), mean + (range.high - centre) * l(j, j))
        }
        return total
    }

    /// How far a sample's fractions lie from the bounds of their order, floor and sum.
    static func room(_ x: [Double], _ n: Int) -> Double {
        guard n > 0 else { return .infinity }
        var f: [Double] = Array(x[4..<4 + n])
        let ball: Double = 1 - f.reduce(0, +)
        f.append(BallSticks.fractionFloor)
        return zip(f, f.dropFirst()).reduce(ball) { min($0, $1.0 - $1.1) }
    }

    @Test(arguments: ProposalTests.pairs)
    func samplesLieInTheSupport(_ z: Structure) {
        var random = RandomSource(seed: 1, stream: z.bits)
        let n = BallSticks.stickCount(z), slack = 2e-6
        for trial in 0..<60 {
            let rows = Self.draw(Self.component(z, width: trial % 3 == 0 ? 6 : 1, using: &random), 200, using: &random)
            for i in 0..<200 {
                let x = Self.sample(rows, i)
                func isInside(_ x: Double, _ range: (low: Double, high: Double)) -> Bool { x >= range.low - slack && x <= range.high + slack }
                #expect(isInside(x[0], BallSticks.logDiffusivity) && isInside(x[2], BallSticks.logSNR) && x[3].isFinite)
                #expect(BallSticks.hasSpread(z) ? isInside(x[1], BallSticks.logSpreadRatio) : x[1] == 0)
                let f = Array(x[4..<4 + n])
                #expect(f.allSatisfy { $0 >= BallSticks.fractionFloor - slack } && f.reduce(0, +) <= 1 + slack)
                #expect(zip(f, f.dropFirst()).allSatisfy { $0 >= $1 - slack })
                for k in 0..<n {
                    let axis = SIMD3(x[7 + 3 * k], x[8 + 3 * k], x[9 + 3 * k])
                    #expect(abs((axis * axis).sum() - 1) < 1e-5)
                }
            }
        }
    }

    /// The stated accuracy: 2e-3 where the density is at least e^−100.
    @Test(arguments: ProposalTests.pairs)
    func densityEqualsThePlainOne(_ z: Structure) {
        var random = RandomSource(seed: 2, stream: z.bits), worst = 0.0, count = 0
        for trial in 0..<40 {
            let c = Self.component(z, width: trial % 4 == 0 ? 0.1 : 1, using: &random), other = Self.component(z, width: 2, using: &random)
            for rows in [Self.draw(c, 100, using: &random), Self.draw(other, 100, using: &random)] {
                let found = Self.logDensity(c, rows)
                for i in 0..<100 where found[i] >= -100 {
                    let x = Self.sample(rows, i)
                    // Where a fraction has less room than a thousandth, the samples' own rounding shows.
                    if Self.room(x, c.geometry.sticks) < 1e-3 { continue }
                    worst = max(worst, abs(found[i] - Self.reference(c, x)))
                    count += 1
                }
            }
        }
        #expect(count > 2000 && worst <= 2e-3, "\(worst) over \(count)")
    }

    /// A ball's density with the conditional mean of log d up to 25 standard deviations outside the prior's range: log(Φ(b) − Φ(a)) in the tails.
    @Test func intervalsInTheTails() {
        let g = LocalGeometry(Structure())
        var theta = [Double](repeating: 0, count: 16), worst = 0.0, count = 0, furthest = 0.0
        theta[Slot.diffusivity] = 1e-3; theta[Slot.snr] = 20; theta[Slot.s0] = 1
        for root in [0.5, 3, 40] {
            // Λ = L Lᵀ with L = [root; 0 1; 3 0 0.1]: the mean of root·log d is −3 log s0.
            let l = [root, 0, 0, 0, 1, 0, 3, 0, 0.1]
            var precision = [Double](repeating: 0, count: 9)
            for i in 0..<3 { for j in 0..<3 { for k in 0..<3 { precision[3 * i + j] += l[3 * i + k] * l[3 * j + k] } } }
            let c = ProposalComponent(g, centre: theta, tangents: [0], precision: precision, logDensity: 0)!
            var rows = [Float](repeating: 0, count: 16 * 1200)
            for i in 0..<1200 {
                let share = Double(i % 24) / 23, range = BallSticks.logDiffusivity
                rows[i] = Float(range.low + share * (range.high - range.low))
                rows[2400 + i] = Float(log(20.0))
                rows[3600 + i] = Float((Double(i / 24) - 24.5) / 24.5 * (8.3 + 40 / 3))
            }
            for (i, found) in Self.logDensity(c, rows).enumerated() {
                let x = Self.sample(rows, i), mean = 3 * x[3]
                let low: Double = mean + (BallSticks.logDiffusivity.low - log(1e-3)) * root
                let high: Double = mean + (BallSticks.logDiffusivity.high - log(1e-3)) * root
                let away = max(low, -high)
                #expect(found.isFinite)
                if away > 25 || found < -100 { continue }
                furthest = max(furthest, away)
                worst = max(worst, abs(found - Self.reference(c, x)))
                count += 1
            }
        }
        #expect(count > 300 && furthest > 15 && worst <= 2e-3, "\(worst) over \(count), as far as \(furthest)")
    }

    /// ∫ q = 1 over the support, by untruncated normals drawn in double and mapped by `move`: area element, order and bounds all enter.
    @Test(arguments: ProposalTests.pairs)
    func densityIntegratesToOne(_ z: Structure) {
        var random = RandomSource(seed: 3, stream: z.bits)
        for _ in 0..<3 {
            let c = Self.component(z, using: &random), g = c.geometry, d = g.dimension, n = 80_000, wide = 1.25
            var tangents = [Double](repeating: 0, count: max(1, 6 * g.sticks))
            g.tangents(c.centre, into: &tangents)
            let b = c.block.map(Double.init)
            var rows = [Float](repeating: 0, count: 16 * n), logs = [Double](repeating: 0, count: n), isInside = [Bool](repeating: false, count: n)
            var u = [Double](repeating: 0, count: d), t = [Double](repeating: 0, count: 16)
            for i in 0..<n {
                for j in (0..<d).reversed() {
                    let e = random.normal(), l = b[PK_COMPONENT_FACTOR + j * d + j]
                    var mean = 0.0
                    for k in j + 1..<max(d, j + 1) { mean += b[PK_COMPONENT_FACTOR + k * d + j] * u[k] }
                    u[j] = (wide * e - mean) / l
                    logs[i] += log(l / wide) - 0.5 * (e * e + log(2 * Double.pi))
                }
                // From dt to the area.
                for k in 0..<g.sticks { logs[i] += 1.5 * log(1 + pow(u[g.tangentIndex + 2 * k], 2) + pow(u[g.tangentIndex + 2 * k + 1], 2)) }
                g.move(c.centre, tangents, by: u, into: &t)
                isInside[i] = Self.family.logPrior(t, z) > -.infinity
                var x = t
                x[0] = log(t[0]); x[1] = g.hasSpread ? log(t[1] / t[0]) : 0; x[2] = log(t[2]); x[3] = log(t[3])
                for k in 0..<16 { rows[k * n + i] = Float(x[k]) }
            }
            let found = Self.logDensity(c, rows)
            Self.expectOne((0..<n).map { isInside[$0] ? exp(found[$0] - logs[$0]) : 0 })
        }
    }

    /// Draws of q₁ follow its density: E[q₂/q₁] = 1 for a narrower q₂ elsewhere, inside q₁'s reach.
    @Test(arguments: ProposalTests.pairs)
    func drawsFollowTheDensity(_ z: Structure) {
        var random = RandomSource(seed: 4, stream: z.bits)
        for _ in 0..<4 {
            let narrow = Self.component(z, using: &random), rows = Self.draw(narrow.scaled(1.25), 20_000, using: &random)
            let q1 = Self.logDensity(narrow.scaled(1.25), rows), q2 = Self.logDensity(narrow, rows)
            Self.expectOne(zip(q2, q1).map { exp($0 - $1) })
        }
    }

    static func expectOne(_ ratio: [Double], sourceLocation: SourceLocation = #_sourceLocation) {
        let n = Double(ratio.count), mean = ratio.reduce(0, +) / n
        let error = (ratio.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n / n).squareRoot()
        #expect(error < 0.05 && abs(mean - 1) < 4 * error, "\(mean) ± \(error)", sourceLocation: sourceLocation)
    }
}
