import Foundation
import ModelSpace
import Testing

@testable import Diffusion

@Suite struct MixtureTests {
    let mixture = ProtocolMixture()

    @Test("Drawn acquisitions are valid, inside their own range, and as varied as promised")
    func draws() throws {
        var random = RandomSource(seed: 51)
        var counts: [Int] = [], shells = Set<Int>(), b0 = Set<Int>(), nonzero = 0, fives = 0
        for _ in 0..<3000 {
            let a = mixture.draw(using: &random)
            _ = try Acquisition(bValues: a.bValues, directions: a.directions)
            #expect(mixture.rangeViolations(of: a).isEmpty)
            counts.append(a.count)
            shells.insert(a.statistics.shellCount)
            b0.insert(a.unweightedCount)
            if a.statistics.largestUnweighted > 0 { nonzero += 1 }
            if a.statistics.largestUnweighted > 10 { fives += 1 }
            #expect(
                (0..<a.count).allSatisfy {
                    a.isUnweighted($0) || abs((a.directions[$0] * a.directions[$0]).sum() - 1) < 1e-9
                })
        }
        let mean = Double(counts.reduce(0, +)) / 3000
        #expect(mean > 80 && mean < 100)
        #expect(
            counts.min()! >= 7 && counts.min()! < 10 && counts.max()! > 450 && counts.filter { $0 > 320 }.count < 60)
        #expect(b0 == Set(1...18) && shells.isSuperset(of: 1...5))
        #expect(nonzero > 450 && nonzero < 1000 && fives > 150 && fives < 600)
    }

    @Test("The same stream draws the same acquisition")
    func reproducible() {
        var a = RandomSource(seed: 5, stream: 9), b = a, c = RandomSource(seed: 5, stream: 10)
        let first = mixture.draw(using: &a)
        #expect(first == mixture.draw(using: &b) && first != mixture.draw(using: &c))
    }

    @Test("What lies outside is said, one sentence a reason")
    func outside() throws {
        func reasons(_ b: [Double], _ g: [SIMD3<Double>], threshold: Double = 100) throws -> [String] {
            mixture.rangeViolations(of: try Acquisition(bValues: b, directions: g, threshold: threshold))
        }
        func shell(_ b: Double, _ n: Int = 30, n0: Int = 1, b0: Double = 0) -> ([Double], [SIMD3<Double>]) {
            (
                Array(repeating: b0, count: n0) + Array(repeating: b, count: n),
                Array(repeating: SIMD3(1, 0, 0), count: n0) + DirectionSets.fibonacci(n)
            )
        }
        func one(_ t: ([Double], [SIMD3<Double>]), _ word: String, threshold: Double = 100) throws {
            let list = try reasons(t.0, t.1, threshold: threshold)
            #expect(list.count == 1 && list.first?.contains(word) == true, "\(list)")
        }
        #expect(try reasons(shell(1000).0, shell(1000).1).isEmpty)
        try one(shell(9000), "above 6000")
        try one(shell(200), "below 300")
        try one(shell(1000, 400), "more than 320")
        try one(shell(1000, 5), "fewer than 6")
        try one(shell(1000, 30, n0: 25), "b≈0 volumes are more")
        try one(shell(1000, 30, b0: 90), "A b≈0 volume has b = 90")
        let flat = (0..<12).map { SIMD3(cos(0.25 * Double($0)), sin(0.25 * Double($0)), 0) }
        try one(([0] + Array(repeating: 1000, count: 12), [.zero] + flat), "in a plane")
    }

    @Test("A recipe may state some fields; the rest keep their defaults")
    func coding() throws {
        let decoded = try JSONDecoder().decode(ProtocolMixture.self, from: Data(#"{"grid": 0, "largestB": 3500}"#.utf8))
        var expected = ProtocolMixture()
        expected.grid = 0
        expected.largestB = 3500
        #expect(decoded == expected)
        #expect(try JSONDecoder().decode(ProtocolMixture.self, from: JSONEncoder().encode(expected)) == expected)
        let object = try #require(
            try JSONSerialization.jsonObject(with: JSONEncoder().encode(expected)) as? [String: Any])
        #expect(Set(object.keys) == Set(ProtocolMixture.keys))
        var random = RandomSource(seed: 52)
        for _ in 0..<300 { #expect(decoded.draw(using: &random).statistics.largest <= 3500 * 1.06) }
    }

    @Test("Every shared scheme and data set lies inside the trained range")
    func sharedSchemes() throws {
        // Beside the checkout or, in a nested worktree, further up.
        let roots = ["../shared/data", "../../shared/data"].filter {
            FileManager.default.fileExists(atPath: $0 + "/schemes")
        }
        guard let root = roots.first else { print("skipped: shared data not present"); return }
        var tables = try FileManager.default.contentsOfDirectory(atPath: root + "/schemes").filter {
            $0.hasSuffix(".bval")
        }.map { "schemes/" + $0.dropLast(5) }
        tables += try FileManager.default.contentsOfDirectory(atPath: root).map { $0 + "/dwi" }.filter {
            FileManager.default.fileExists(atPath: "\(root)/\($0).bval")
        }
        #expect(tables.count >= 20)
        for name in tables {
            let table = try GradientTable.readFSL(bvals: "\(root)/\(name).bval", bvecs: "\(root)/\(name).bvec")
            let acquisition = try table.acquisition(conversion: .identity)
            #expect(
                mixture.rangeViolations(of: acquisition).isEmpty, "\(name): \(mixture.rangeViolations(of: acquisition))"
            )
        }
    }
}
