import Diffusion
import Foundation
import Inference
import ModelSpace
import Testing

struct FibreMatchingTests {
    /// Share of sticks given to the fibre that they came from, over many voxels, and the largest error of a fibre's
    /// mean axis (degrees); fibres are told apart by nothing but the truth's own order after matching (each found fibre
    /// is named by the majority of its sticks).
    private func agreement(_ voxel: SyntheticVoxel, voxels: Int = 100, s: Int = 50, seed: UInt64 = 1) -> (
        share: Double, worstAngle: Double
    ) {
        var random = RandomSource(seed: seed)
        var right = 0, total = 0, worst = 0.0
        for _ in 0..<voxels {
            let (draws, origin) = voxel.draws(s, using: &random)
            var assignments = [FibreAssignment](repeating: .none, count: s)
            var matcher = FibreMatcher()
            matcher.match(draws, weights: Array(repeating: 1 / Float(s), count: s), count: s, into: &assignments)
            var votes = [[Int]](repeating: Array(repeating: 0, count: 3), count: 3)
            var dyads = [SymmetricMatrix3](repeating: .init(), count: 3)
            for d in 0..<s {
                var seen = Set<Int>()
                for k in 0..<3 {
                    guard let j = assignments[d].stick(k) else { continue }
                    seen.insert(j)
                    votes[k][origin[d][j]] += 1
                    let mu = d * DrawColumn.count + DrawColumn.direction + 3 * j
                    dyads[k].add(SIMD3(Double(draws[mu]), Double(draws[mu + 1]), Double(draws[mu + 2])), weight: 1)
                }
                #expect(seen.count == origin[d].count, "every stick goes to exactly one fibre")
            }
            total += origin.reduce(0) { $0 + $1.count }
            var named = Set<Int>()
            for k in 0..<3 where votes[k].reduce(0, +) > s / 4 {
                let fibre = votes[k].firstIndex(of: votes[k].max()!)!
                #expect(named.insert(fibre).inserted, "two found fibres follow the same true one")
                right += votes[k][fibre]
                worst = max(worst, angle(dyads[k].largest().vector, voxel.fibres[fibre].axis))
            }
        }
        return (Double(right) / Double(max(1, total)), worst)
    }

    @Test func oneFibre() {
        let (share, worst) = agreement(SyntheticVoxel(fibres: [.init(axis: unit(1, 2, 3), fraction: 0.6)]))
        #expect(share >= 0.995 && worst < 3)
    }

    @Test(arguments: [20.0, 30, 45, 60, 90])
    func equalFractionsSwapLabels(degrees: Double) {
        let a = degrees * .pi / 180
        let voxel = SyntheticVoxel(fibres: [
            .init(axis: unit(1, 0, 0), fraction: 0.35), .init(axis: SIMD3(cos(a), sin(a), 0), fraction: 0.35),
        ])
        let (share, worst) = agreement(voxel)
        #expect(share >= (degrees <= 20 ? 0.97 : 0.995) && worst < 4)
    }

    @Test func threeOrthogonalEqualFractions() {
        let voxel = SyntheticVoxel(fibres: [
            .init(axis: unit(1, 0, 0), fraction: 0.25, angleSD: 0.1),
            .init(axis: unit(0, 1, 0), fraction: 0.25, angleSD: 0.1),
            .init(axis: unit(0, 0, 1), fraction: 0.25, angleSD: 0.1),
        ])
        let (share, worst) = agreement(voxel)
        #expect(share >= 0.995 && worst < 6)
    }

    @Test func missingFibres() {
        let voxel = SyntheticVoxel(fibres: [
            .init(axis: unit(1, 0, 0), fraction: 0.4, presence: 0.7),
            .init(axis: unit(0.5, 0.8, 0), fraction: 0.35, presence: 0.8),
        ])
        let (share, worst) = agreement(voxel)
        #expect(share >= 0.99 && worst < 4)
    }

    @Test func aRareThirdStickDoesNotSplitAFibre() {
        // The third stick lies 25° from the second, in one draw of ten.
        let a = 25 * Double.pi / 180
        let voxel = SyntheticVoxel(fibres: [
            .init(axis: unit(1, 0, 0), fraction: 0.4), .init(axis: unit(0, 1, 0), fraction: 0.3, angleSD: 0.15),
            .init(axis: SIMD3(0, cos(a), sin(a)), fraction: 0.1, angleSD: 0.1, presence: 0.1),
        ])
        let (share, worst) = agreement(voxel)
        #expect(share >= 0.93 && worst < 8)
    }

    @Test func dispersedSecondFibre() {
        let voxel = SyntheticVoxel(fibres: [
            .init(axis: unit(0, 0, 1), fraction: 0.6),
            .init(axis: unit(1, 1, 0), fraction: 0.08, angleSD: 0.5, presence: 0.6),
        ])
        let (share, _) = agreement(voxel)
        #expect(share >= 0.9)
    }

    @Test func fibresAreOrderedByMeanFraction() {
        var random = RandomSource(seed: 4)
        let voxel = SyntheticVoxel(fibres: [
            .init(axis: unit(1, 0, 0), fraction: 0.5, presence: 0.4), .init(axis: unit(0, 1, 0), fraction: 0.3),
        ])
        let (draws, _) = voxel.draws(50, using: &random)
        var assignments = [FibreAssignment](repeating: .none, count: 50), matcher = FibreMatcher()
        matcher.match(draws, weights: Array(repeating: 0.02, count: 50), count: 50, into: &assignments)
        // 0.4 · 0.5 < 0.3: the ever-present fibre comes first although the other is larger where present.
        let j = assignments[0].stick(0)!
        #expect(abs(draws[DrawColumn.direction + 3 * j + 1]) > 0.9)
    }

    @Test func noFibresNoDrawsNoWeights() {
        var assignments = [FibreAssignment](repeating: .init(code: 0), count: 3), matcher = FibreMatcher()
        matcher.match(Array(repeating: 0, count: 48), weights: [1, 1, 1], count: 3, into: &assignments)
        #expect(assignments == [.none, .none, .none])
        var random = RandomSource(seed: 5)
        let (draws, _) = SyntheticVoxel(fibres: [.init(axis: unit(1, 0, 0), fraction: 0.5)]).draws(3, using: &random)
        matcher.match(draws, weights: [0, 0, 0], count: 3, into: &assignments)
        #expect(assignments.allSatisfy { $0.stick(0) == 0 || $0.stick(1) == 0 || $0.stick(2) == 0 })
    }
}

struct SymmetricMatrixTests {
    @Test func residualsAreTiny() {
        var random = RandomSource(seed: 7)
        for trial in 0..<2000 {
            var a = SymmetricMatrix3()
            // From rank one to full rank, with eigenvalues down to 1e-9 apart.
            for i in 0...(trial % 3) {
                a.add(
                    unit(random.normal(), random.normal(), random.normal()),
                    weight: i == 0 ? 1 : trial % 2 == 0 ? random.uniform() : 1e-9)
            }
            let (value, v) = a.largest()
            let av = SIMD3(
                a.xx * v.x + a.xy * v.y + a.xz * v.z, a.xy * v.x + a.yy * v.y + a.yz * v.z,
                a.xz * v.x + a.yz * v.y + a.zz * v.z)
            let r = av - value * v
            #expect((r * r).sum().squareRoot() <= 1e-12 * (a.xx + a.yy + a.zz))
            #expect(abs((v * v).sum() - 1) < 1e-14 && v.z >= 0)
            #expect(value >= (a.xx + a.yy + a.zz) / 3 - 1e-12)
        }
    }

    @Test func degenerateMatrices() {
        #expect(SymmetricMatrix3().largest().value == 0)
        var isotropic = SymmetricMatrix3()
        for axis in [SIMD3<Double>(1, 0, 0), SIMD3(0, 1, 0), SIMD3(0, 0, 1)] { isotropic.add(axis, weight: 2) }
        #expect(isotropic.largest().value == 2)
    }
}
