import Foundation
import ModelSpace
import Tensors

public struct RegressionArchiveError: Error, CustomStringConvertible {
    public let description: String
}

/// A fit as a safetensors file: entries as tensors, what else it needs as metadata. Draws of an entry follow each
/// other; their numbers are σ's score, scores of inner parameters, amplitudes.
extension RegressionFit {
    private struct Head: Codable {
        /// 2; 1 of earlier versions, which knew what the list held at one λ only.
        var format = 2
        var terms: Int, searchLambda: Double, coverage: ListCoverage?, x: String, y: String
        var x0: Double, xUnit: Double, y0: Double, yUnit: Double
        var xs: [Double], ys: [Double]
        var structures: [Structure], parameters: [Int], logEvidence: [Double], errors: [Double?], draws: [Int]
        var library: [String]
    }

    public func write(to path: String) throws {
        let family = RegressionFamily(terms: terms)
        let head = Head(
            terms: terms, searchLambda: searchLambda, coverage: coverage, x: file.names.x,
            y: file.names.y, x0: file.x0,
            xUnit: file.xUnit, y0: file.y0, yUnit: file.yUnit, xs: file.x, ys: file.y,
            structures: entries.map(\.structure), parameters: entries.map(\.parameters),
            logEvidence: entries.map(\.logEvidence), errors: entries.map { $0.error.isFinite ? $0.error : nil },
            draws: entries.map(\.draws.count), library: family.terms.map(\.formula))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let numbers = entries.flatMap { $0.draws.flatMap { ($0.point + $0.amplitudes).map(Float.init) } }
        try SafetensorsWriter.write(
            [("draws", [numbers.count], numbers)],
            metadata: ["prism-regression": String(decoding: try encoder.encode(head), as: UTF8.self)], to: path)
    }

    /// - Errors: `SafetensorsError`, `RegressionArchiveError`.
    public init(path: String) throws {
        let reader = try SafetensorsReader(path: path)
        func bad(_ reason: String) -> RegressionArchiveError {
            RegressionArchiveError(description: "\(path) is no fit of prism-regression (\(reason)); fit again.")
        }
        guard let text = reader.metadata["prism-regression"] else { throw bad("it lacks its description") }
        guard let head = try? JSONDecoder().decode(Head.self, from: Data(text.utf8)), (1...2).contains(head.format)
        else {
            throw bad("its description cannot be read")
        }
        let n = head.structures.count
        guard TermLibrary.sizes.contains(head.terms), n > 0,
            [head.parameters.count, head.logEvidence.count, head.errors.count, head.draws.count].allSatisfy({ $0 == n }
            ),
            head.logEvidence.allSatisfy(\.isFinite), head.draws.allSatisfy({ (0...100_000).contains($0) }),
            head.xs.count == head.ys.count, (1...SeriesFile.most).contains(head.xs.count),
            head.xUnit > 0, head.yUnit > 0,
            head.coverage.map({ $0.count > 0 && $0.listed.keys.allSatisfy { (0...1000).contains($0) } }) ?? true
        else { throw bad("its lists do not go together") }
        let family = RegressionFamily(terms: head.terms)
        guard head.library == family.terms.map(\.formula) else { throw bad("it was made with other terms") }
        var entries: [Entry] = [], at = 0
        let numbers: [Float] = try reader.floats("draws")
        for i in 0..<n {
            let z = head.structures[i]
            guard family.rule.allows(z), family.rule.parameterCount(z) == head.parameters[i] else {
                throw bad("it has a structure that is none")
            }
            let active = family.active(z), inner = active.reduce(1) { $0 + family.terms[$1].inner.count }
            let width = inner + active.count
            guard at + width * head.draws[i] <= numbers.count else { throw bad("draws are missing") }
            let draws = (0..<head.draws[i]).map { d -> RegressionDraw in
                let row = numbers[(at + d * width)..<(at + (d + 1) * width)].map(Double.init)
                return RegressionDraw(point: Array(row[..<inner]), amplitudes: Array(row[inner...]))
            }
            at += width * head.draws[i]
            entries.append(
                Entry(
                    structure: z, parameters: head.parameters[i], logEvidence: head.logEvidence[i],
                    error: head.errors[i] ?? .nan, draws: draws))
        }
        guard at == numbers.count, numbers.allSatisfy(\.isFinite) else { throw bad("its draws are not what it says") }
        self.init(
            terms: head.terms,
            file: SeriesFile(
                names: (head.x, head.y), x: head.xs, y: head.ys, x0: head.x0, xUnit: head.xUnit, y0: head.y0,
                yUnit: head.yUnit), searchLambda: head.searchLambda, coverage: head.coverage,
            entries: entries)
    }
}

extension SeriesFile {
    init(
        names: (x: String, y: String), x: [Double], y: [Double], x0: Double, xUnit: Double, y0: Double, yUnit: Double
    ) {
        (self.names, self.x, self.y) = (names, x, y)
        (self.x0, self.xUnit, self.y0, self.yUnit) = (x0, xUnit, y0, yUnit)
    }
}
