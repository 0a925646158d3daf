import Foundation
import Testing

@testable import Diffusion

/// Tables whose vector lengths carry b, tables whose lengths carry nothing, and tables that leave it open.
@Suite struct VectorLengthTests {
    /// Five b = 0 volumes and three shells, in no order.
    let b: [Double] = [0] + (0..<29).map { $0 % 7 == 5 ? 0 : [1000, 2000, 3000][$0 % 3] }
    var units: [SIMD3<Double>] { zip(b, DirectionSets.spread(b.count)).map { $0 > 0 ? $1 : .zero } }
    /// Of length √(b/3000), zero for b = 0.
    var scaled: [SIMD3<Double>] { zip(b, units).map { ($0 / 3000).squareRoot() * $1 } }
    /// ±5 %, always the same.
    func jitter(_ values: [Double], _ size: Double = 0.05) -> [Double] {
        values.enumerated().map { $1 * (1 + size * sin(Double($0) * 2.3)) }
    }

    func make(_ b: [Double], _ g: [SIMD3<Double>], _ lengths: Acquisition.LengthRule = .normalise) throws -> Acquisition
    {
        try Acquisition(bValues: b, directions: g, lengths: lengths)
    }
    func failure(_ b: [Double], _ g: [SIMD3<Double>], _ lengths: Acquisition.LengthRule = .normalise)
        -> GradientTableError?
    {
        do { _ = try make(b, g, lengths); return nil } catch { return error as? GradientTableError }
    }
    func isClose(_ a: [Double], _ b: [Double], _ relative: Double = 1e-9) -> Bool {
        zip(a, b).allSatisfy { abs($0 - $1) <= relative * max($1, 1) }
    }

    /// One nominal b: what the b = 0 volumes are labelled, and how far the others jitter.
    @Test(arguments: [3000, 0, 5, 50], [0, 0.03, 0.05]) func oneNominalB(label: Double, size: Double) throws {
        let nominal = jitter(b.map { _ in 3000 }, size).enumerated().map { b[$0] == 0 && label < 3000 ? label : $1 }
        let a = try make(nominal, scaled, .scaleByLength)
        #expect(isClose(a.bValues, b, 2 * size + 1e-9) && a.unweightedIndices == b.indices.filter { b[$0] == 0 })
        #expect(
            a.directions.allSatisfy {
                let n = ($0 * $0).sum(); return n == 0 || abs(n - 1) < 1e-12
            })
        let refusal = try #require(failure(nominal, scaled))
        guard case .amplitudeScaled = refusal else { Issue.record("\(refusal)"); return }
        #expect("\(refusal)".contains("--scale-by-length"))
    }

    @Test("GE: one shell, zero vectors with the nominal b, the first b = 0 labelled or not")
    func zeroVectorsAmongUnits() throws {
        let one = units
        for first in [0.0, 1000] {
            let nominal = [first] + Array(repeating: 1000.0, count: b.count - 1)
            let refusal = try #require(failure(nominal, one))
            guard case .undirected(_, _, 1000, let isLabelled) = refusal else { Issue.record("\(refusal)"); return }
            #expect(isLabelled == (first == 0) && "\(refusal)".contains("--scale-by-length"))
            #expect(try make(nominal, one, .scaleByLength).unweightedIndices == b.indices.filter { b[$0] == 0 })
        }
        // Shells in b and unit vectors: the option scales nothing, and a missing direction stays missing.
        var holed = units
        holed[3] = .zero
        for rule in [Acquisition.LengthRule.normalise, .scaleByLength] {
            #expect(failure(b, holed, rule) == .missingDirection(index: 3, bValue: b[3]))
        }
    }

    @Test("Lengths √(b/largest), b/largest or √(b/1000) of right b-values say nothing new", arguments: [0, 0.03])
    func lengthsThatFollow(size: Double) throws {
        let right = jitter(b, size), reference = try make(right, units)
        let rules: [(Double) -> Double] = [{ ($0 / 3000).squareRoot() }, { $0 / 3000 }, { ($0 / 1000).squareRoot() }]
        for rule in rules {
            let g = zip(b, units).map { rule($0) * $1 }
            let a = try make(right, g)
            #expect(
                a.bValues == right
                    && zip(a.directions, reference.directions).allSatisfy { (($0 - $1) * ($0 - $1)).sum() < 1e-24 })
            guard case .alreadyScaled? = failure(right, g, .scaleByLength) else { Issue.record("scaled twice"); return }
        }
    }

    @Test("Lengths that neither follow b nor are 1 are refused; rounding is not") func openLengths() throws {
        #expect(failure(b, units.enumerated().map { $1 * (0.96 + 0.001 * Double($0 % 40)) }) == nil)
        for lengths: (Int) -> Double in [
            { $0 == 4 ? 0.8 : 1 }, { 0.6 + 0.02 * Double($0) }, { 1 - 0.5 * Double($0 % 2) },
        ] {
            guard case .amplitudeScaled? = failure(b, units.enumerated().map { $1 * lengths($0) }) else {
                Issue.record("lengths accepted"); return
            }
        }
        // One shell of a table with a nominal b, and one whose lengths were left over: only the user knows.
        let shell = b.map { $0 > 0 ? 3000.0 : 0 }
        for length in [0.577, 0.1, 2] {
            guard case .notUnit? = failure(shell, units.map { length * $0 }) else {
                Issue.record("length \(length)"); return
            }
        }
        #expect(isClose(try make(shell, units.map { 0.5 * $0 }, .scaleByLength).bValues, shell.map { $0 / 4 }))
    }

    @Test("nan directions of b≈0 are zero vectors; of weighted volumes an error", arguments: [0, 5, 65]) func nan(
        label: Double
    ) throws {
        let labelled = b.map { $0 == 0 ? label : $0 }, nan = SIMD3(Double.nan, .nan, .nan)
        let holed = zip(b, units).map { $0 == 0 ? nan : $1 }
        #expect(try make(labelled, holed) == make(labelled, units))
        #expect(
            try make(labelled, units.enumerated().map { b[$0] == 0 ? SIMD3(0, .nan, 0) : $1 }) == make(labelled, units))
        var bad = holed
        bad[2] = nan
        #expect(failure(labelled, bad) == .notFinite(what: "direction", index: 2))
        // Nominal b: whether such a volume is weighted is not known.
        let open = try #require(failure(b.map { _ in 3000 }, zip(b, scaled).map { $0 == 0 ? nan : $1 }, .scaleByLength))
        #expect(open == .notFinite(what: "direction", index: 0) && !"\(open)".contains("remove"))
    }

    @Test("An MRtrix table has the same ways") func mrtrix() throws {
        let path = NSTemporaryDirectory() + "/prism-lengths-\(UUID().uuidString).b"
        defer { try? FileManager.default.removeItem(atPath: path) }
        func table(_ rows: [(Double, SIMD3<Double>)]) throws -> GradientTable {
            try rows.map { "\($1.x) \($1.y) \($1.z) \($0)" }.joined(separator: "\n").write(
                toFile: path, atomically: true, encoding: .utf8)
            return try GradientTable.readMRtrix(path)
        }
        let nominal = try table(Array(zip(b.map { _ in 3000 }, scaled)))
        #expect(isClose(try nominal.acquisition(conversion: .identity, lengths: .scaleByLength).bValues, b))
        #expect(throws: GradientTableError.self) { try nominal.acquisition(conversion: .identity) }
        let nan = try table(zip(b, units).map { ($0, $0 == 0 ? SIMD3(.nan, .nan, .nan) : $1) })
        #expect(try nan.acquisition(conversion: .identity) == make(b, units))
    }
}
