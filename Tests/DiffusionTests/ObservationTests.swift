import Foundation
import ModelSpace
import Testing

@testable import Diffusion

@Suite struct ObservationTests {
    @Test("Rotating directions and fibres together leaves features alone and rotates the answers", arguments: 0..<20)
    func equivariance(_ seed: Int) {
        var random = RandomSource(seed: 31, stream: UInt64(seed))
        let z = structures[4 + seed % 12], design = ProtocolMixture().draw(using: &random)
        let voxel = Voxel(z, design, using: &random)
        let rotation = DirectionSets.rotation(using: &random)
        let turned = Voxel(data: voxel.y, design.rotated(by: rotation))
        for (a, b) in zip(voxel.features, turned.features) { #expect(abs(a - b) < 2e-3) }
        for (a, b) in zip(voxel.summary, turned.summary) { #expect(abs(a - b) < 1e-3) }
        var before = [Double](repeating: 0, count: 16), after = before
        family.decode(voxel.coordinates, z, design, voxel.frame, into: &before)
        family.decode(voxel.coordinates, z, design.rotated(by: rotation), turned.frame, into: &after)
        for k in 0..<BallSticks.stickCount(z) {
            let expected = DirectionSets.rotate(axis(before, k), by: rotation)
            #expect(abs((expected * axis(after, k)).sum()) > 1 - 1e-5)
        }
        #expect(abs(before[0] - after[0]) < 1e-12)
    }

    @Test("Flipping directions to their antipodes changes nothing")
    func antipodes() throws {
        var random = RandomSource(seed: 32)
        let design = twoShells(), voxel = Voxel(Structure(0, 1, 2), design, using: &random)
        let flipped = try Acquisition(
            bValues: design.bValues, directions: design.directions.enumerated().map { $0 % 3 == 0 ? -$1 : $1 })
        let other = Voxel(data: voxel.y, flipped)
        #expect(zip(voxel.features, other.features).allSatisfy { abs($0 - $1) < 1e-4 })
    }

    @Test("The frame is a right-handed rotation whose first axis follows a lone fibre")
    func frame() {
        var random = RandomSource(seed: 33)
        let design = twoShells()
        var worst = 1.0
        for _ in 0..<200 {
            var theta = [Double](repeating: 0, count: 16)
            let mu = DirectionSets.uniform(using: &random)
            theta[0] = 1.7e-3; theta[2] = 40; theta[3] = 1; theta[4] = 0.7; theta[7] = mu.x; theta[8] = mu.y;
            theta[9] = mu.z
            var y = [Float](repeating: 0, count: design.count)
            family.simulate(&theta, Structure(0), design, using: &random, into: &y)
            let f = Voxel(data: y, design).frame
            worst = min(worst, abs((f.axis1 * mu).sum()))
            #expect((SymmetricMatrix3.cross(f.axis1, f.axis2) * f.axis3).sum() > 1 - 1e-9)
            #expect(abs((f.axis1 * f.axis2).sum()) < 1e-9 && f.unweightedCount == 4)
        }
        #expect(worst > cos(6 * Double.pi / 180))
    }

    @Test("The quick tensor recovers a noise-free tensor up to its ridge")
    func tensor() {
        let design = twoShells(), truth = SIMD3(1.6, 0.6, 0.3)
        let y = (0..<design.count).map { i in
            let g = design.directions[i], k = design.bValues[i] / 1000
            return Float(0.97 * exp(-k * (truth.x * g.y * g.y + truth.y * g.z * g.z + truth.z * g.x * g.x)))
        }
        let fit = QuickTensor.fit(y, design.tables)
        #expect(
            abs(fit.eigenvalues.x - 1.6) < 0.06 && abs(fit.eigenvalues.y - 0.6) < 0.03
                && abs(fit.eigenvalues.z - 0.3) < 0.03)
        #expect(abs(fit.axes.0.y) > 0.9999 && abs(fit.axes.2.x) > 0.9999)
        #expect(abs(fit.logS0 - log(0.97)) < 0.02)
    }

    @Test("Features equal a plain computation of the documented list")
    func plainFeatures() {
        var random = RandomSource(seed: 34)
        let design = twoShells(n0: 3, b0: 40), voxel = Voxel(Structure(0, 1, 3), design, using: &random)
        let fit = QuickTensor.fit(voxel.y, design.tables)
        var scale = 0.0
        var residuals: [Double] = []
        for i in 0..<design.count {
            let u = voxel.frame.enter(design.directions[i]), k = design.bValues[i] / 1000
            let p = exp(fit.logS0 - k * (fit.eigenvalues * u * u).sum())
            residuals.append(Double(voxel.y[i]) - p)
            if design.bValues[i] <= 1600 { scale += abs(residuals[i]) / 33 }
        }
        scale *= 1.2533 * (33.0 / 26).squareRoot()
        for i in 0..<design.count {
            let u = voxel.frame.enter(design.directions[i]), k = design.bValues[i] / 1000, c = k / (1 + k / 4)
            let w = design.bValues[i] > 100 ? 1.0 : 0, y = Double(voxel.y[i]), p = y - residuals[i]
            let dyad =
                [u.x * u.x - 1.0 / 3, u.y * u.y - 1.0 / 3, u.z * u.z - 1.0 / 3].map { w * $0 * (45.0 / 4).squareRoot() }
                + [u.x * u.y, u.x * u.z, u.y * u.z].map { w * $0 * 15.0.squareRoot() }
            func bound(_ x: Double) -> Double { max(-5, min(5, x)) }
            let expected =
                [1.6 * (c - 1.14), 2 * (log(1 + k) - 0.95)] + dyad.map { 0.7 * c * $0 } + dyad + [
                    bound(2.5 * (y - 0.57)), bound(1.2 * (log(max(y, 0.01)) + 1)), bound(asinh(20 * residuals[i])),
                    bound(asinh(residuals[i] / scale)), bound(2 * (log(max(y, 0.01)) - log(max(p, 0.01)))), 1 - w,
                ]
            for f in 0..<20 {
                #expect(abs(Double(voxel.features[20 * i + f]) - expected[f]) < 1e-3, "volume \(i) feature \(f)")
            }
        }
    }

    @Test("Everything stays finite and bounded for hostile signals", arguments: 0..<9)
    func hostile(_ kind: Int) {
        var random = RandomSource(seed: 35)
        for _ in 0..<40 {
            let design = ProtocolMixture().draw(using: &random)
            let y: [Float] = (0..<design.count).map { i in
                switch kind {
                case 0: 0
                case 1: -1
                case 2: 1e30
                case 3: .nan
                case 4: .infinity
                case 5: i % 2 == 0 ? -Float.infinity : Float.greatestFiniteMagnitude
                case 6: 1
                case 7: Float(100 * random.normal())
                default: design.isUnweighted(i) ? 1 : 1e-38
                }
            }
            let voxel = Voxel(data: y, design)
            #expect(voxel.features.allSatisfy { $0.isFinite && abs($0) <= 8 })
            #expect(voxel.summary.allSatisfy { $0.isFinite && abs($0) <= 5 })
            #expect(voxel.frame.rotation.allSatisfy { $0.isFinite })
        }
    }

    @Test("Features and summaries are standardised over the training mixture")
    func standardised() {
        var random = RandomSource(seed: 36)
        let mixture = ProtocolMixture()
        var summary = [Moments](repeating: Moments(), count: 22), features = [Moments](repeating: Moments(), count: 20)
        for k in 0..<10_000 {
            let design = mixture.draw(using: &random), voxel = Voxel(structures[k % 16], design, using: &random)
            for s in 0..<22 where s != 5 || design.unweightedCount >= 2 { summary[s].add(Double(voxel.summary[s])) }
            for i in 0..<design.count { for f in 0..<20 { features[f].add(Double(voxel.features[20 * i + f])) } }
        }
        for (s, m) in summary.enumerated() {
            #expect(abs(m.mean) < 0.08 && abs(m.sd - 1) < 0.12, "summary \(s): \(m.mean) \(m.sd)")
        }
        for (f, m) in features.enumerated() where f != 19 {
            #expect(abs(m.mean) < 0.5 && m.sd > 0.7 && m.sd < 1.5, "feature \(f): \(m.mean) \(m.sd)")
        }
    }
}
