import Foundation
import ModelSpace
import Testing
import Volumes

@testable import Diffusion

/// Volumes held against one another, on a scan in which some are spoilt.
@Suite struct VolumeSurveyTests {
    private static let acquisition: Acquisition = {
        let g = DirectionSets.fibonacci(40)
        return try! Acquisition(
            bValues: [0, 0, 0] + (0..<40).map { $0 % 2 == 0 ? 1000 : 2000 }, directions: [.zero, .zero, .zero] + g)
    }()
    private static let mask = Mask(
        geometry: VolumeGeometry(shape: [12, 12, 6], affine: .identity), indices: Array(0..<864))

    /// Voxels of different brightness, diffusivity and direction.
    private static func signals() -> [Float] {
        var random = RandomSource(seed: 2), values: [Float] = []
        let axes = DirectionSets.fibonacci(864)
        for v in 0..<864 {
            let s0 = 300 + 400 * random.uniform(), d = 0.4 + 0.5 * random.uniform(), along = random.uniform()
            for i in 0..<acquisition.count {
                let cosine = (axes[v * 31 % 864] * acquisition.directions[i]).sum()
                let decay: Double = acquisition.bValues[i] / 1000 * (d + along * cosine * cosine)
                let noise: Double = 8 * random.normal()
                values.append(Float(abs(s0 * exp(-decay) + noise)))
            }
        }
        return values
    }

    private static func survey(_ change: (inout [Float], _ m: Int) -> Void) -> VolumeSurvey {
        var values = signals()
        change(&values, acquisition.count)
        return VolumeSurvey(signals: values, mask: mask, acquisition: acquisition)
    }

    @Test func ofASoundScanNothingIsSaid() {
        let found = Self.survey { _, _ in }
        #expect(
            found.shells.map { $0.b.rounded() } == [0, 1000, 2000] && found.shells.map(\.volumes.count) == [3, 20, 20])
        #expect(
            found.volumes.count == 43 && !found.volumes.contains(where: \.isOtherwiseScaled)
                && found.lostSlices == (0, 43 * 6))
        #expect(found.unlike.isEmpty && found.shells[0].diffusivity == nil)
        #expect((0.5e-3...1.4e-3).contains(found.shells[1].diffusivity!))
    }

    /// A b≈0 volume of another scale, a map among the weighted volumes, slices without signal, a volume of something
    /// else.
    @Test func whatStandsOutIsNamed() {
        let scaled = Self.survey { values, m in for v in 0..<864 { values[v * m + 1] *= 2 } }
        #expect(scaled.volumes.filter(\.isOtherwiseScaled).map(\.index) == [1])
        let map = Self.survey { values, m in for v in 0..<864 { values[v * m + 9] = 0.3 } }
        #expect(map.volumes.filter(\.isOtherwiseScaled).map(\.index) == [9])
        let lost = Self.survey { values, m in
            for v in 144..<288 { values[v * m + 20] *= 0.5 }
            for v in 720..<864 { values[v * m + 20] *= 0.6; values[v * m + 31] *= 0.4 }
        }
        #expect(lost.volumes.filter { !$0.lostSlices.isEmpty }.map(\.index) == [20, 31] && lost.lostSlices.lost == 3)
        #expect(lost.volumes.first { $0.index == 20 }?.lostSlices == [1, 5])
        let moved = Self.survey { values, m in
            let old = values
            for v in 0..<864 { values[v * m + 15] = old[(v * 5 + 400) % 864 * m + 15] }
        }
        #expect(moved.unlike == [15] && !moved.volumes.contains(where: \.isOtherwiseScaled))
    }

    @Test func aWrongUnitOfBShows() throws {
        let a = Self.acquisition, wrong = try Acquisition(bValues: a.bValues.map { $0 * 25 }, directions: a.directions)
        let found = VolumeSurvey(signals: Self.signals(), mask: Self.mask, acquisition: wrong)
        #expect(found.shells[1].diffusivity! < 5e-5)
    }

    /// b and directions change by what the matrix says.
    @Test func gradientDeviationsAreMeasured() {
        let stretch = GradientDeviation(
            [0.05, 0, 0, 0, 0, 0, 0, 0, 0] + [Float](repeating: 0, count: 9), frame: .identity
        ).size
        #expect(abs(stretch.highB - 0.1025) < 0.005 && stretch.highAngle < 1.5 && stretch.highAngle > 1)
        let turn = GradientDeviation([0, 0.1, 0, -0.1, 0, 0, 0, 0, 0], frame: .identity).size
        #expect(abs(turn.highAngle - 5.71) < 0.1 && abs(turn.medianB - 0.01) < 0.001)
    }

    /// As FSL's `correct_bvals_bvecs` has it: L(r, c) is number 3c + r; bvec' ∝ (I + L) bvec, b' = b |(I + L) bvec|².
    @Test(arguments: [[-2.0, 0, 0, 0, 2, 0, 0, 0, 2], [2, 0, 0, 0, 1.5, 0.3, 0, -0.3, 1.9]])
    func everyVoxelHasItsOwnGradients(_ affine: [Double]) throws {
        let frame = try FrameConversion(affine3x3: affine), nominal = twoShells()
        let l = (0..<9).map { Float(0.02 * Double($0) - 0.07) }
        let deviation = GradientDeviation([Float](repeating: 0, count: 9) + l + [.nan] + l[1...], frame: frame)
        #expect(deviation.acquisition(nominal, at: 0).bValues == nominal.bValues && deviation.unknown == 1)
        let own = deviation.acquisition(nominal, at: 1)
        for i in 0..<nominal.count where nominal.directions[i] != .zero {
            let g = frame.fsl(fromScanner: nominal.directions[i])
            var moved = g
            for r in 0..<3 { for c in 0..<3 { moved[r] += Double(l[3 * c + r]) * g[c] } }
            let square = (moved * moved).sum(), axis = frame.fsl(fromScanner: own.directions[i])
            #expect(abs(own.bValues[i] - nominal.bValues[i] * square) < 1e-9 * nominal.bValues[i])
            #expect(((axis - moved / square.squareRoot()) * (axis - moved / square.squareRoot())).sum() < 1e-24)
        }
        // What is b≈0 is what the table says.
        let near = twoShells(b0: 99)
        #expect(deviation.acquisition(near, at: 1).bValues.prefix(4).contains { $0 > 100 || $0 < 98 })
        #expect(deviation.acquisition(near, at: 1).unweightedIndices == near.unweightedIndices)
        #expect((0..<near.count).allSatisfy { deviation.acquisition(near, at: 1).isUnweighted($0) == ($0 < 4) })
        #expect(deviation.selecting([1]).acquisition(nominal, at: 0) == own)
    }
}
