import Foundation
import ModelSpace
import Testing

@testable import Diffusion

/// Local coordinates, and derivatives of the likelihood in them, against finite differences of the plain reference.
@Suite struct LocalGeometryTests {
    typealias Slot = BallSticks.Slot
    static let design = twoShells(b0: 5)
    static let step = 1e-5

    /// A voxel, and a θ some way from the one that made it.
    struct Point {
        let geometry: LocalGeometry
        var theta: [Double], tangents: [Double], y: [Float]
        var m: Int { y.count }
        var s0: Double { theta[Slot.s0] }
        var sigma: Double { theta[Slot.s0] / theta[Slot.snr] }

        init(_ z: Structure, shift: Double, isNoiseKnown: Bool = false, using random: inout RandomSource) {
            let voxel = Voxel(z, design, using: &random)
            let g = LocalGeometry(z, sigma: isNoiseKnown ? 0.8 * voxel.theta[Slot.s0] / voxel.theta[Slot.snr] : nil)
            geometry = g
            y = voxel.y
            theta = voxel.theta
            tangents = [Double](repeating: 0, count: max(1, 6 * g.sticks))
            g.tangents(voxel.theta, into: &tangents)
            let u = (0..<g.dimension).map { _ in shift * random.normal() }
            g.move(voxel.theta, tangents, by: u, into: &theta)
            g.clamp(&theta)
            g.tangents(theta, into: &tangents)
        }

        func moved(_ u: [Double]) -> [Double] {
            var other = theta
            geometry.move(theta, tangents, by: u, into: &other)
            return other
        }

        func along(_ j: Int, _ s: Double) -> [Double] { moved((0..<geometry.dimension).map { $0 == j ? s : 0 }) }

        /// S = s0·A in double.
        func signal(_ t: [Double]) -> [Double] {
            (0..<m).map {
                t[Slot.s0]
                    * BallSticks.attenuation(t, geometry.structure, b: design.bValues[$0], g: design.directions[$0])
            }
        }

        /// ∂S/∂u_j by central differences: D rows of M.
        var jacobian: [[Double]] {
            (0..<geometry.dimension).map { j in
                zip(signal(along(j, step)), signal(along(j, -step))).map { ($0 - $1) / (2 * step) }
            }
        }

        func likelihood() -> (value: Double, gradient: [Double], information: [Double]) {
            let d = geometry.dimension
            var rows = [Float](repeating: 0, count: d * m), scratch = [Float](repeating: 0, count: 3 * m)
            var gradient = [Double](repeating: .nan, count: d), information = [Double](repeating: .nan, count: d * d)
            let value = geometry.likelihood(
                y, theta, tangents, design, rows: &rows, scratch: &scratch, gradient: &gradient,
                information: &information)
            return (value, gradient, information)
        }
    }

    static func points(_ z: Structure, _ isNoiseKnown: Bool) -> [Point] {
        var random = RandomSource(seed: 31, stream: UInt64(z.bits))
        return (0..<12).map { Point(z, shift: $0 % 2 == 0 ? 0 : 0.15, isNoiseKnown: isNoiseKnown, using: &random) }
    }

    @Test(arguments: structures, [false, true])
    func gradientEqualsFiniteDifferences(_ z: Structure, isNoiseKnown: Bool) {
        for p in Self.points(z, isNoiseKnown) {
            let g = p.geometry, found = p.likelihood(), j = p.jacobian, s = p.signal(p.theta), sigma = p.sigma
            let plain = family.logLikelihood(p.y, p.theta, z, Self.design)
            #expect(abs(found.value - plain) <= 2e-6 * p.y.reduce(0) { $0 + 1 + pow(Double($1) / sigma, 2) })
            for k in 0..<g.dimension {
                let above = family.logLikelihood(p.y, p.along(k, Self.step), z, Self.design)
                let below = family.logLikelihood(p.y, p.along(k, -Self.step), z, Self.design)
                // Float kernels: attenuations within 3e-6, their derivatives within 4e-6, the Bessel ratio within 1e-6.
                var bound = 0.0
                for i in 0..<p.m {
                    let v = Double(p.y[i]) / sigma, r = abs(v - s[i] / sigma), amplitude = p.s0 / sigma
                    let slope = abs(j[k][i]) / sigma, ofScore: Double = 3e-6 * amplitude + 1e-6 * abs(v)
                    bound += slope * ofScore + 4e-6 * amplitude * (r + 1)
                    if k == g.snrIndex || k == g.s0Index {
                        bound += 6e-6 * r * amplitude + 1e-6 * r * r
                        if BallSticks.isRician(z) { bound += 2e-6 * abs(v) * s[i] / sigma }
                    }
                }
                let difference = (above - below) / (2 * Self.step)
                #expect(
                    abs(found.gradient[k] - difference) <= bound,
                    "coordinate \(k): \(found.gradient[k]), not \(difference) ± \(bound)")
            }
        }
    }

    /// Gaussian: Fisher information Jᵀ J/σ², and 2M of log σ = log s0 − log snr unless σ is known. Rician: each
    /// volume's weighted by about ρ²/(1 + ρ²).
    @Test(arguments: structures, [false, true])
    func informationEqualsFishers(_ z: Structure, isNoiseKnown: Bool) {
        for p in Self.points(z, isNoiseKnown) {
            let g = p.geometry, d = g.dimension, found = p.likelihood().information, j = p.jacobian,
                s = p.signal(p.theta), sigma = p.sigma
            for a in 0..<d {
                for b in 0..<d {
                    var exact = 0.0, bound = 1e-6
                    for i in 0..<p.m {
                        let rho = s[i] / sigma, share = BallSticks.isRician(z) ? rho * rho / (1 + rho * rho) + 1e-3 : 1
                        exact += share * j[a][i] * j[b][i] / (sigma * sigma)
                        let size = abs(j[a][i] * j[b][i]), sum = abs(j[a][i]) + abs(j[b][i])
                        let error: Double = 4e-6 * p.s0 * sum + (2e-6 + 4e-6 * rho) * size
                        bound += error / (sigma * sigma)
                    }
                    let ofSigma = isNoiseKnown ? [:] : [g.s0Index: 1.0, g.snrIndex: -1.0]
                    exact += 2 * Double(p.m) * (ofSigma[a] ?? 0) * (ofSigma[b] ?? 0)
                    #expect(
                        abs(found[a * d + b] - exact) <= bound,
                        "element \(a), \(b): \(found[a * d + b]), not \(exact) ± \(bound)")
                    #expect(found[a * d + b] == found[b * d + a])
                }
            }
        }
    }

    @Test(arguments: structures)
    func moveFollowsTheTangents(_ z: Structure) {
        var random = RandomSource(seed: 7, stream: UInt64(z.bits))
        for _ in 0..<50 {
            let p = Point(z, shift: 0, using: &random), g = p.geometry, n = g.sticks
            #expect(
                zip(p.moved([Double](repeating: 0, count: g.dimension)), p.theta).allSatisfy {
                    abs($0 - $1) <= 1e-14 * max(1, abs($1))
                })
            let u = (0..<g.dimension).map { _ in 0.7 * random.normal() }, t = p.moved(u)
            func isClose(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-12 * max(1, abs(b)) }
            #expect(isClose(log(t[Slot.diffusivity] / p.theta[Slot.diffusivity]), u[g.diffusivityIndex]))
            #expect(isClose(log(t[Slot.snr] / p.theta[Slot.snr]), u[g.snrIndex]))
            #expect(isClose(log(t[Slot.s0] / p.theta[Slot.s0]), u[g.s0Index]))
            if g.hasSpread {
                let before = p.theta[Slot.spread] / p.theta[Slot.diffusivity]
                #expect(isClose(log(t[Slot.spread] / t[Slot.diffusivity] / before), u[n]))
            } else {
                #expect(t[Slot.spread] == 0)
            }
            for k in 0..<n {
                #expect(isClose(t[Slot.fraction + k] - p.theta[Slot.fraction + k], u[k]))
                func tangent(_ c: Int) -> SIMD3<Double> {
                    SIMD3(p.tangents[6 * k + 3 * c], p.tangents[6 * k + 3 * c + 1], p.tangents[6 * k + 3 * c + 2])
                }
                let centre = axis(p.theta, k), there = axis(t, k), e = tangent(0), f = tangent(1)
                // Orthonormal, right at the centre, and Lambert's.
                for (a, b, value) in [
                    (e, e, 1.0), (f, f, 1), (e, f, 0), (e, centre, 0), (f, centre, 0), (there, there, 1),
                ] {
                    #expect(abs((a * b).sum() - value) < 1e-7)
                }
                // An angle a from the centre has |t| = 2 sin ½a; beyond a right angle only the direction of t counts.
                let t0 = u[g.tangentIndex + 2 * k], t1 = u[g.tangentIndex + 2 * k + 1],
                    length = (t0 * t0 + t1 * t1).squareRoot()
                let angle = length < 2.0.squareRoot() ? 2 * asin(length / 2) : .pi / 2
                #expect(abs((there * centre).sum() - cos(angle)) < 1e-7)
                #expect(abs((there * e).sum() - sin(angle) * t0 / length) < 1e-7)
                #expect(abs((there * f).sum() - sin(angle) * t1 / length) < 1e-7)
                for c in 0..<2 {
                    let slope =
                        (axis(p.along(g.tangentIndex + 2 * k + c, 1e-5), k)
                            - axis(p.along(g.tangentIndex + 2 * k + c, -1e-5), k)) / 2e-5
                    let off = slope - tangent(c)
                    #expect((off * off).sum().squareRoot() < 1e-9)
                }
            }
            for k in n..<3 { #expect(t[Slot.fraction + k] == 0 && axis(t, k) == .zero) }
        }
    }

    /// Whatever it is given, `clamp` returns something the prior allows, and leaves alone what it allowed already.
    @Test(arguments: structures)
    func clampBringsIntoTheSupport(_ z: Structure) {
        var random = RandomSource(seed: 9, stream: UInt64(z.bits))
        for trial in 0..<300 {
            let p = Point(z, shift: 0, using: &random), g = p.geometry
            var t = p.moved((0..<g.dimension).map { _ in (trial % 3 == 0 ? 0 : 3) * random.normal() })
            let before = t
            g.clamp(&t)
            #expect(family.logPrior(t, z) > -.infinity, "\(before) became \(t)")
            if family.logPrior(before, z) > -.infinity {
                #expect(zip(t, before).allSatisfy { abs($0 - $1) <= 2e-9 * max(1, abs($1)) })
            }
        }
    }
}
