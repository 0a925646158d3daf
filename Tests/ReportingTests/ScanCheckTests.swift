import Diffusion
import Foundation
import ModelSpace
import Testing
import Volumes

@testable import Reporting

/// What `check` finds in scans that are sound but for one thing.
@Suite struct ScanCheckTests {
    private static let shape = [16, 16, 8]
    private static let geometry = VolumeGeometry(
        shape: shape, affine: Affine(rows: [-2, 0, 0, 15, 0, 2, 0, -15, 0, 0, 2, -7]))
    private static let acquisition = try! Acquisition(
        bValues: [0, 0, 0] + Array(repeating: 1000, count: 24),
        directions: [.zero, .zero, .zero] + DirectionSets.fibonacci(24))

    /// Tissue within a ball, air around; the mask is the ball, or the same ball somewhere else.
    private static func check(
        shift: Int = 0, b: Double = 1, spoil: (inout [Float], _ m: Int) -> Void = { _, _ in }
    ) throws -> ScanCheck {
        func ball(_ shift: Int) -> [Int] {
            (0..<geometry.voxelsPerVolume).filter { v in
                let x = Double(v % 16) - 7.5 - Double(shift), y = Double(v / 16 % 16) - 7.5, z = Double(v / 256) - 3.5
                return x * x + y * y + 3 * z * z < 45
            }
        }
        let head = Set(ball(0)), mask = Mask(geometry: geometry, indices: ball(shift)), m = acquisition.count
        var random = RandomSource(seed: 8), values: [Float] = []
        for voxel in mask.indices {
            let s0 = head.contains(voxel) ? 500 + 100 * random.uniform() : 0, d = 0.6 + 0.4 * random.uniform()
            for i in 0..<m {
                let clean: Double = s0 * exp(-acquisition.bValues[i] / 1000 * d)
                values.append(Float(abs(clean + 10 * random.normal())))
            }
        }
        spoil(&values, m)
        let scaled = try Acquisition(bValues: acquisition.bValues.map { $0 * b }, directions: acquisition.directions)
        return try ScanCheck(
            series: MaskedSeries(mask: mask, measurements: m, values: values), geometry: geometry, acquisition: scaled,
            frame: .fsl, simple: Mask(geometry: geometry, indices: ball(0)), family: "a family",
            violations: [], threads: 2)
    }

    private static func problems(_ check: ScanCheck) -> [String] {
        check.findings.filter { $0.level == .problem }.map(\.topic)
    }

    @Test func aSoundScanHasNoProblem() throws {
        let check = try Self.check()
        #expect(!check.hasProblem && check.findings.map(\.topic) == ["directions"])
        let noise = try #require(check.noise)
        #expect(abs(noise.sigma / 10 - 1) < 0.1)
        #expect(check.text(image: "a.nii.gz", mask: "m.nii.gz").contains("0 problems, 1 note"))
        let json = try JSONSerialization.jsonObject(with: Data(check.json(image: "a\n", mask: nil).text.utf8))
        let object = try #require(json as? [String: Any])
        #expect(object["has_problem"] as? Bool == false && (object["volumes"] as? [Any])?.count == 27)
    }

    @Test func eachFaultIsNamedAndNothingElse() throws {
        let scaled = try Self.check { values, m in for v in 0..<values.count / m { values[v * m + 2] *= 1.8 } }
        #expect(Self.problems(scaled) == ["b≈0"] && scaled.findings[0].text.contains("2 (1.8"))
        let map = try Self.check { values, m in for v in 0..<values.count / m { values[v * m + 11] = 0.8 } }
        #expect(Self.problems(map) == ["volumes"] && map.findings[0].text.contains("11 (0.00 times)"))
        let empty = try Self.check { values, m in for v in 0..<values.count / m { values[v * m + 11] = 0 } }
        #expect(Self.problems(empty).contains("volumes"))
        #expect(Self.problems(try Self.check(b: 20)) == ["b-values"])
        #expect(Self.problems(try Self.check(shift: 8)).contains("mask"))
        let noisy = try Self.check { values, _ in
            var random = RandomSource(seed: 3)
            for k in values.indices { values[k] = abs(values[k] + Float(300 * random.normal())) }
        }
        #expect(Self.problems(noisy).contains("noise"))
    }

    /// A few slices that lost signal are a note; a volume that lost many is a problem.
    @Test func lostSlicesAreCounted() throws {
        func losing(_ slices: [Int]) throws -> ScanCheck {
            try Self.check { values, m in
                // The mask's voxels in the order of the grid, the same number in slices that mirror one another.
                let counts = [24, 80, 120, 140, 140, 120, 80, 24], total = values.count / m
                var first = [Int](repeating: 0, count: 9)
                for k in 0..<8 { first[k + 1] = first[k] + counts[k] * total / counts.reduce(0, +) }
                for k in slices { for v in first[k]..<first[k + 1] { values[v * m + 9] *= 0.4 } }
            }
        }
        #expect(try losing([]).volumes.lostSlices.lost == 0)
        let some = try losing([3])
        #expect(some.volumes.volumes.filter { !$0.lostSlices.isEmpty }.map(\.index) == [9])
        #expect(Self.problems(try losing([2, 3, 4])).contains("volumes"))
    }
}
