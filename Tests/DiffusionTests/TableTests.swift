import Foundation
import ModelSpace
import Testing

@testable import Diffusion

@Suite struct TableTests {
    let b = "0 1000 1000 1000 1000 1000 1000"
    let columns: [SIMD3<Double>] = [.zero] + DirectionSets.spread(6)

    func text(_ vectors: [SIMD3<Double>], byRow: Bool = false, separator: String = " ") -> String {
        let rows = byRow ? vectors.map { [$0.x, $0.y, $0.z] } : (0..<3).map { k in vectors.map { $0[k] } }
        return rows.map { $0.map { String($0) }.joined(separator: separator) }.joined(separator: "\n") + "\n"
    }

    func parse(_ bvals: String, _ bvecs: String) throws -> GradientTable {
        try GradientTable.parseFSL(
            bvals: NumberTable(text: bvals, path: "dwi.bval"), bvalsPath: "dwi.bval",
            bvecs: NumberTable(text: bvecs, path: "dwi.bvec"),
            bvecsPath: "dwi.bvec")
    }

    /// The error that `body` throws.
    func failure(_ body: () throws -> Void) -> GradientTableError? {
        do { try body(); return nil } catch { return error as? GradientTableError }
    }

    @Test("One table in every layout that people write")
    func layouts() throws {
        let reference = try parse(b, text(columns))
        #expect(reference.bValues == [0] + Array(repeating: 1000, count: 6) && reference.vectors == columns)
        #expect(
            try parse(b.replacingOccurrences(of: " ", with: "\n") + "\n\n", text(columns, byRow: true)) == reference)
        #expect(
            try parse(
                "\u{FEFF}" + b.replacingOccurrences(of: " ", with: ",\t") + "\r\n \r\n",
                "\u{FEFF}" + text(columns, separator: "\t")) == reference)
        #expect(
            try parse(
                "# b\n" + b, text(columns, byRow: true, separator: ", ").replacingOccurrences(of: "\n", with: "\r\n"))
                == reference)
    }

    @Test("Tables that lie are refused with the reason")
    func refusals() {
        #expect(failure { _ = try parse("0 1000 x", "") } == .notANumber(path: "dwi.bval", line: 1, word: "x"))
        #expect(failure { _ = try parse(" \n\n", text(columns)) } == .empty(path: "dwi.bval"))
        #expect(failure { _ = try parse(b + " 1000", text(columns)) } == .countMismatch(bValues: 8, directions: 7))
        #expect(
            failure { _ = try parse("0 1000\n1000 1000 5", text(columns)) }
                == .wrongShape(path: "dwi.bval", rows: 2, columns: 3, expected: "one row or one column of b-values"))
        #expect(
            failure { _ = try parse(b, "1 2\n3 4\n") }
                == .wrongShape(path: "dwi.bvec", rows: 2, columns: 2, expected: "3 rows (x, y, z) of 7, or 7 rows of 3")
        )
        #expect(failure { _ = try parse(b, "1 2 3\n4 5\n6 7 8\n") } != nil)
        #expect(
            failure {
                _ = try parse(b.replacingOccurrences(of: "0 1000 1000", with: "0 nan 1000"), text(columns)).acquisition(
                    conversion: .identity)
            }
                == .notFinite(what: "b-value", index: 1))
        #expect(
            failure { _ = try GradientTable.readFSL(bvals: "/nowhere/a.bval", bvecs: "/nowhere/a.bvec") }
                == .unreadable(path: "/nowhere/a.bval", reason: "no such file"))
    }

    @Test("A 3×3 table is transposed only when that alone makes sense")
    func threeByThree() throws {
        let vectors: [SIMD3<Double>] = [.zero, DirectionSets.unit(SIMD3(1, 2, 3)), DirectionSets.unit(SIMD3(-2, 1, 1))]
        #expect(try parse("0 700 700", text(vectors)).vectors == vectors)
        #expect(try parse("0 700 700", text(vectors, byRow: true)).vectors == vectors)
        let rotation = "0 1 0\n0 0 1\n1 0 0\n"
        #expect(failure { _ = try parse("0 700 700", rotation) } == .ambiguousOrientation(path: "dwi.bvec"))
    }

    @Test("An acquisition refuses what cannot be right")
    func acquisitionErrors() throws {
        let g = columns
        func make(_ b: [Double], _ g: [SIMD3<Double>], _ lengths: Acquisition.LengthRule = .normalise)
            -> GradientTableError?
        {
            failure { _ = try Acquisition(bValues: b, directions: g, lengths: lengths) }
        }
        func shell(_ value: Double, first: Double = 0) -> [Double] { [first] + Array(repeating: value, count: 6) }
        #expect(make(shell(1000), g) == nil)
        #expect(make(shell(1000, first: 65), g) == nil)
        #expect(
            make(shell(1000, first: 150), [SIMD3(1, 0, 0)] + g.dropFirst())
                == .noUnweightedVolume(smallest: 150, threshold: 100))
        #expect(make(shell(-1), g) == .negativeBValue(index: 1, value: -1))
        #expect(make(shell(3), g) == .bValuesTooSmall(largest: 3))
        #expect(make(shell(1e9), g) == .bValuesTooLarge(largest: 1e9))
        #expect(make(shell(80), g) == .noWeightedVolume(largest: 80, threshold: 100))
        #expect(make([], []) == .bValuesTooSmall(largest: 0))
        #expect(
            make(shell(3).map { $0 * 0.5 }, g.map { _ in .zero }) == .noWeightedVolume(largest: 1.5, threshold: 100))
        #expect(make(Array(repeating: 0, count: 7), g) == .noWeightedVolume(largest: 0, threshold: 100))
        #expect(
            make(shell(1000).dropLast() + [2000], g.dropLast() + [.zero]) == .missingDirection(index: 6, bValue: 2000))
        guard case .notUnit(let index, let norm) = make(shell(1000), g.map { 0.1 * $0 }) else {
            Issue.record("short vectors accepted"); return
        }
        #expect(index == 1 && abs(norm - 0.1) < 1e-12)
        let scaled = try #require(make(shell(1000), g.enumerated().map { $1 * ($0 % 2 == 0 ? 1 : 0.8) }))
        guard case .amplitudeScaled(let shortest, let longest, 0) = scaled else { Issue.record("\(scaled)"); return }
        #expect(abs(shortest - 0.8) < 1e-12 && abs(longest - 1) < 1e-12)
        let a = try Acquisition(
            bValues: shell(1000), directions: g.enumerated().map { $1 * ($0 % 2 == 0 ? 1 : 0.8) },
            lengths: .scaleByLength)
        #expect(
            abs(a.bValues[1] - 640) < 1e-9 && a.bValues[2] > 999
                && abs((a.directions[1] * a.directions[1]).sum() - 1) < 1e-12)
        #expect(
            try Acquisition(bValues: shell(1000, first: 150), directions: g, threshold: 200).unweightedIndices == [0])
    }

    @Test("Each error is one sentence that names the place and the remedy")
    func sentences() {
        let errors: [GradientTableError] = [
            .unreadable(path: "f", reason: "no such file"), .notANumber(path: "f", line: 3, word: "x"),
            .notFinite(what: "b-value", index: 2),
            .empty(path: "f"), .wrongShape(path: "f", rows: 2, columns: 3, expected: "3 rows"),
            .countMismatch(bValues: 1, directions: 2),
            .volumeMismatch(table: 3, volumes: 4), .ambiguousOrientation(path: "f"),
            .negativeBValue(index: 1, value: -5),
            .bValuesTooSmall(largest: 3), .bValuesTooLarge(largest: 1e9),
            .noUnweightedVolume(smallest: 150, threshold: 100),
            .noWeightedVolume(largest: 50, threshold: 100), .missingDirection(index: 4, bValue: 1000),
            .notUnit(index: 1, norm: 0.1),
            .amplitudeScaled(shortest: 0.5774, longest: 1, undirected: 12),
            .alreadyScaled(shortest: 0.5774, longest: 1),
            .undirected(count: 1, first: 100, bValue: 1000, hasLabelledBaseline: true),
            .undirected(count: 12, first: 100, bValue: 1000, hasLabelledBaseline: false),
            .commaInside(path: "f", line: 1, word: "0,5"),
            .missingTarget(path: "f", target: "g"), .standIn(path: "f", what: "is a web page"), .singularAffine,
            .badAcquisitionFile(path: "f", reason: "r"),
        ]
        for error in errors { #expect(!"\(error)".contains("\n") && "\(error)".count < 200 && "\(error)".count > 3) }
        #expect(Set(errors.map { "\($0)" }).count == errors.count)
        #expect("\(GradientTableError.bValuesTooSmall(largest: 3))".contains("multiply by 1000"))
    }

    @Test("An MRtrix table is in the scanner's frame; volume counts must agree")
    func mrtrix() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(
            "prism-\(ProcessInfo.processInfo.processIdentifier).b"
        ).path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let lines = columns.enumerated().map { "\($1.x) \($1.y) \($1.z) \($0 == 0 ? 0 : 1000)" }
        try ("# command_history: x\n" + lines.joined(separator: "\n")).write(
            toFile: path, atomically: true, encoding: .utf8)
        let table = try GradientTable.readMRtrix(path)
        let conversion = try FrameConversion(affine3x3: [-2, 0, 0, 0, 2, 0, 0, 0, 2])
        let a = try table.acquisition(conversion: conversion, volumes: 7)
        #expect(zip(a.directions, columns).allSatisfy { (($0 - $1) * ($0 - $1)).sum() < 1e-20 })
        #expect(
            failure { _ = try table.acquisition(conversion: conversion, volumes: 8) }
                == .volumeMismatch(table: 7, volumes: 8))
        try "1 2 3\n4 5 6\n".write(toFile: path, atomically: true, encoding: .utf8)
        guard case .wrongShape = failure({ _ = try GradientTable.readMRtrix(path) }) else {
            Issue.record("accepted N×3"); return
        }
    }

    @Test("Written FSL text reads back")
    func fslText() throws {
        let table = GradientTable(bValues: [0, 999.998, 2000], vectors: [.zero, columns[1], columns[2]], frame: .fsl)
        let back = try parse(table.fslText.bvals, table.fslText.bvecs)
        #expect(back.bValues == table.bValues)
        for (a, b) in zip(back.vectors, table.vectors) { #expect(((a - b) * (a - b)).sum() < 1e-13) }
    }
}
