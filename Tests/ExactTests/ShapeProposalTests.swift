@testable import BallSticksEngines
import CKernels
import Diffusion
import Foundation
import ModelSpace
import Testing


/// Proposals of shapes: draws, densities and their normalisation.
@Suite struct ShapeProposalTests {
    typealias Slot = BallSticks.Slot
    static let family = BallSticks()
    static let pairs = stride(from: 0, to: 16, by: 2).map { family.structureSpace.structures[$0] }

    /// A component and what it was made from.
    struct Subject {
        let geometry: LocalGeometry, mode: LocalMode, component: (block: [Float], scale: Double)
        var scale: Double { component.scale }
        var width: Int { 1 + (geometry.hasSpread ? 1 : 0) + 2 * geometry.sticks }
        func l(_ i: Int, _ j: Int) -> Double { Double(component.block[PK_SHAPE_FACTOR + i * width + j]) }
        init(_ geometry: LocalGeometry, _ mode: LocalMode, scale: Double = 1) {
            var block = [Float](repeating: 0, count: PK_SHAPE_SIZE)
            precondition(ShapeComponent.write(mode, labelling: StickLabelling(mode), scale: scale, into: &block))
            (self.geometry, self.mode, component) = (geometry, mode, (block, scale))
        }
        func scaled(_ by: Double) -> Subject {
            Subject(geometry, mode, scale: scale * by)
        }
    }

    /// About a θ drawn from the prior, so that bounds often cut it, with correlated coordinates.
    static func subject(_ z: Structure, width: Double = 1, using random: inout RandomSource) -> Subject {
        let g = LocalGeometry(z), d = g.dimension
        var theta = [Double](repeating: 0, count: 16), tangents = [Double](repeating: 0, count: max(1, 6 * g.sticks))
        family.drawParameters(z, EnsembleMovesTests.acquisition, using: &random, into: &theta)
        theta[Slot.s0] = exp(0.1 * random.normal())
        g.tangents(theta, into: &tangents)
        var width = [Double](repeating: 0.15 * width, count: d)
        if g.hasSpread { width[g.sticks] *= 4 }
        let a = (0..<d * d).map { _ in random.normal() }
        var precision = [Double](repeating: 0, count: d * d)
        for i in 0..<d {
            for j in 0..<d {
                let product = (0..<d).reduce(0) { $0 + a[i * d + $1] * a[j * d + $1] }
                precision[i * d + j] = ((i == j ? 1 : 0) + 0.4 * product / Double(d)) / (width[i] * width[j])
            }
        }
        let mode = LocalMode(g, centre: theta, tangents: tangents, precision: precision, logDensity: 0)!
        return Subject(g, mode)
    }

    /// N samples, as 16 rows of N.
    static func draw(_ s: Subject, _ n: Int, using random: inout RandomSource) -> [Float] {
        let uniforms = (0..<s.width * n).map { _ in Float(min(1 - 1e-6, max(1e-6, random.uniform()))) }
        var rows = [Float](repeating: 0, count: 16 * n), support = LocalMode.support
        pk_shape_draw(
            s.component.block, s.geometry.sticks, s.geometry.hasSpread ? 1 : 0, &support, uniforms, 0, n, n, &rows)
        return rows
    }

    static func logDensity(_ s: Subject, _ rows: [Float]) -> [Double] {
        let n = rows.count / 16
        var out = [Float](repeating: -1e30, count: n), support = LocalMode.support
        pk_add_shape_densities(
            s.component.block, [1], 1, s.geometry.sticks, s.geometry.hasSpread ? 1 : 0, &support, rows, n, n, &out)
        return out.map(Double.init)
    }

    static func sample(_ rows: [Float], _ i: Int) -> [Double] {
        (0..<16).map { Double(rows[$0 * (rows.count / 16) + i]) }
    }

    /// log(Φ(b) − Φ(a)) in double.
    static func logInterval(_ a: Double, _ b: Double) -> Double {
        if a + b < 0 { return logInterval(-b, -a) }
        let root = 0.5.squareRoot()
        return log(0.5 * (a > 0 ? erfc(a * root) - erfc(b * root) : erf(b * root) - erf(a * root)))
    }

    /// Density of a sample by the definition in `proposal.h`, in double.
    static func reference(_ s: Subject, _ x: [Double]) -> Double {
        let g = s.geometry, b = s.component.block.map(Double.init)
        var u: [Double] = []
        for k in 0..<g.sticks {
            func dot(_ at: Int) -> Double { (0..<3).reduce(0) { $0 + b[at + $1] * x[7 + 3 * k + $1] } }
            let w = dot(PK_SHAPE_AXES + 3 * k), scale = (w < 0 ? -1 : 1) / ((1 + abs(w)) / 2).squareRoot()
            u += [scale * dot(PK_SHAPE_TANGENTS + 6 * k), scale * dot(PK_SHAPE_TANGENTS + 6 * k + 3)]
        }
        u.append(x[0] - b[0])
        if g.hasSpread { u.append(x[1] - b[1]) }
        var total = 0.0
        for j in 0..<s.width {
            var mean = 0.0
            for k in j + 1..<max(s.width, j + 1) { mean += s.l(k, j) * u[k] }
            let w: Double = mean + s.l(j, j) * u[j]
            total += log(s.l(j, j)) - 0.5 * (log(2 * Double.pi) + w * w)
            guard j >= 2 * g.sticks else { continue }
            let range = j > 2 * g.sticks ? BallSticks.logSpreadRatio : BallSticks.logDiffusivity,
                centre = b[j - 2 * g.sticks]
            total -= logInterval(mean + (range.low - centre) * s.l(j, j), mean + (range.high - centre) * s.l(j, j))
        }
        return total
    }

    @Test(arguments: ShapeProposalTests.pairs)
    func samplesLieInTheSupport(_ z: Structure) {
        var random = RandomSource(seed: 1, stream: UInt64(z.bits))
        let n = BallSticks.stickCount(z), slack = 2e-6
        var absent = 0
        for trial in 0..<60 {
            let subject = Self.subject(z, width: trial % 3 == 0 ? 6 : 1, using: &random),
                rows = Self.draw(subject, 200, using: &random)
            for i in 0..<200 {
                let x = Self.sample(rows, i)
                func isInside(_ x: Double, _ range: (low: Double, high: Double)) -> Bool {
                    x >= range.low - slack && x <= range.high + slack
                }
                if !(x[0] + x[7..<7 + 3 * n].reduce(0, +)).isFinite { absent += 1; continue }
                #expect(isInside(x[0], BallSticks.logDiffusivity))
                #expect(BallSticks.hasSpread(z) ? isInside(x[1], BallSticks.logSpreadRatio) : x[1] == 0)
                let axes = (0..<n).map { k in SIMD3(x[7 + 3 * k], x[8 + 3 * k], x[9 + 3 * k]) }
                for axis in axes { #expect(abs((axis * axis).sum() - 1) < 1e-5) }
            }
        }
        #expect(n > 0 || absent == 0)
        #expect(absent < 60 * 200 / 3)
    }

    /// The stated accuracy: 2e-3 where the density is at least e^−100.
    @Test(arguments: ShapeProposalTests.pairs)
    func densityEqualsThePlainOne(_ z: Structure) {
        var random = RandomSource(seed: 2, stream: UInt64(z.bits)), worst = 0.0, count = 0
        for trial in 0..<40 {
            let c = Self.subject(z, width: trial % 4 == 0 ? 0.1 : 1, using: &random),
                other = Self.subject(z, width: 2, using: &random)
            for rows in [Self.draw(c, 100, using: &random), Self.draw(other, 100, using: &random)] {
                let found = Self.logDensity(c, rows)
                for i in 0..<100 where found[i] >= -100 {
                    worst = max(worst, abs(found[i] - Self.reference(c, Self.sample(rows, i))))
                    count += 1
                }
            }
        }
        #expect(count > 1500 && worst <= 2e-3, "\(worst) over \(count)")
    }

    /// Sums over many components, more than are summed together, on top of what is there; samples beyond a half-sphere
    /// keep that.
    @Test(arguments: ShapeProposalTests.pairs)
    func densitiesAddUp(_ z: Structure) {
        var random = RandomSource(seed: 7, stream: UInt64(z.bits))
        let first = Self.subject(z, width: 4, using: &random), many = 53, n = 75,
            rows = Self.draw(first, n, using: &random)
        let subjects = (0..<many).map { $0 == 0 ? first : Self.subject(z, width: 3, using: &random) },
            counts = (0..<many).map { Float(1 + $0 % 7) }
        var support = LocalMode.support, found = (0..<n).map { Float($0 % 3 == 0 ? -1e30 : -8) }, worst = 0.0
        let before = found
        pk_add_shape_densities(
            subjects.flatMap(\.component.block), counts, many, first.geometry.sticks, first.geometry.hasSpread ? 1 : 0,
            &support, rows, n, n, &found)
        for i in 0..<n {
            let x = Self.sample(rows, i)
            guard x.reduce(0, +).isFinite else { #expect(found[i] == before[i]); continue }
            let sum = zip(subjects, counts).reduce(exp(Double(before[i]))) {
                $0 + Double($1.1) * exp(Self.reference($1.0, x))
            }
            worst = max(worst, abs(Double(found[i]) - log(sum)))
        }
        #expect(worst <= 2e-3, "\(worst)")
    }

    /// ∫ q = 1 over the support, by untruncated normals drawn in double and mapped by `move`: area element and bounds
    /// enter.
    @Test(arguments: ShapeProposalTests.pairs)
    func densityIntegratesToOne(_ z: Structure) {
        var random = RandomSource(seed: 3, stream: UInt64(z.bits))
        for _ in 0..<3 {
            let s = Self.subject(z, using: &random), g = s.geometry, d = s.width, n = 40_000, wide = 1.25,
                spread = g.hasSpread ? 1 : 0
            var rows = [Float](repeating: 0, count: 16 * n), logs = [Double](repeating: 0, count: n),
                isInside = [Bool](repeating: true, count: n)
            var u = [Double](repeating: 0, count: d), full = [Double](repeating: 0, count: g.dimension),
                t = [Double](repeating: 0, count: 16)
            for i in 0..<n {
                for j in (0..<d).reversed() {
                    let e = random.normal()
                    var mean = 0.0
                    for k in j + 1..<max(d, j + 1) { mean += s.l(k, j) * u[k] }
                    u[j] = (wide * e - mean) / s.l(j, j)
                    logs[i] += log(s.l(j, j) / wide) - 0.5 * (e * e + log(2 * Double.pi))
                }
                full[g.diffusivityIndex] = u[2 * g.sticks]
                if spread == 1 { full[g.sticks] = u[d - 1] }
                for k in 0..<2 * g.sticks {
                    full[g.tangentIndex + k] = u[k]
                    // Beyond the half-sphere.
                    if k % 2 == 1 && u[k - 1] * u[k - 1] + u[k] * u[k] > 2 { isInside[i] = false }
                }
                g.move(s.mode.centre, s.mode.tangents, by: full, into: &t)
                func has(_ x: Double, _ r: (low: Double, high: Double)) -> Bool { log(x) >= r.low && log(x) <= r.high }
                isInside[i] =
                    isInside[i] && has(t[0], BallSticks.logDiffusivity)
                    && (spread == 0 || has(t[1] / t[0], BallSticks.logSpreadRatio))
                rows[i] = Float(log(t[0]))
                rows[n + i] = spread == 1 ? Float(log(t[1] / t[0])) : 0
                for k in 7..<16 { rows[k * n + i] = Float(t[k]) }
            }
            let found = Self.logDensity(s, rows), q = (0..<n).map { isInside[$0] ? exp(found[$0] - logs[$0]) : 0 }
            // Of normals with a standard deviation of 0.15 next to nothing is cut off at the half-sphere's edge.
            Self.expectOne(q)
        }
    }

    /// Draws of q₁ follow its density: E[q₂/q₁] = 1 for a narrower q₂, inside q₁'s reach.
    @Test(arguments: ShapeProposalTests.pairs)
    func drawsFollowTheDensity(_ z: Structure) {
        var random = RandomSource(seed: 4, stream: UInt64(z.bits))
        for _ in 0..<4 {
            let narrow = Self.subject(z, using: &random), wide = narrow.scaled(1.25),
                rows = Self.draw(wide, 20_000, using: &random)
            Self.expectOne(zip(Self.logDensity(narrow, rows), Self.logDensity(wide, rows)).map { exp($0 - $1) })
        }
    }

    static func expectOne(_ ratio: [Double], sourceLocation: SourceLocation = #_sourceLocation) {
        let n = Double(ratio.count), mean = ratio.reduce(0, +) / n
        let error = (ratio.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n / n).squareRoot()
        #expect(error < 0.05 && abs(mean - 1) < 4 * error, "\(mean) ± \(error)", sourceLocation: sourceLocation)
    }
}
