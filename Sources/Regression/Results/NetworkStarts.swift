import Foundation
import ModelSpace
import Networks

/// A trained network's word on a series.
public final class SeriesReader: FormulaReader {
    public let family: RegressionFamily
    private let runner: NetworkRunner
    /// With products in single precision, for differences between its answers.
    private lazy var precise = NetworkRunner(file, precision: .float32)
    private let file: NetworkFile

    /// - Errors: `NetworkFileError` when the network is of another family or of other terms.
    public init(_ file: NetworkFile, path: String, terms: Int) throws {
        family = try RegressionFamily(terms: terms, of: file.origin, file.network.shape, path: path)
        runner = NetworkRunner(file)
        self.file = file
    }

    private func encode(_ series: Series, _ runner: NetworkRunner? = nil) -> EncodedVoxels {
        let seen = family.observation(series)
        return (runner ?? self.runner).encode(
            voxels: 1, measurements: series.count, features: seen.features, summaries: seen.summary)
    }

    /// Structures drawn from q(z | y, λ), the most frequent first.
    public func draws(_ series: Series, lambda: Double, count: Int, seed: UInt64) -> [(
        structure: Structure, count: Int
    )] {
        var random = [RandomSource(seed: seed, stream: 0x4E45_5457)]
        return runner.drawStructures(
            encode(series), lambda: min(3, lambda), automaton: family.automaton, count: count, using: &random)[0]
            .sorted { ($1.count, $0.structure) < ($0.count, $1.structure) }
    }

    /// log q(z | y, λ) of given structures.
    public func logProbabilities(_ series: Series, of structures: [Structure], lambda: Double) -> [Double] {
        runner.structureLogProbabilities(
            encode(series), of: [structures], lambda: min(3, lambda), automaton: family.automaton)[0]
    }

    /// Noise levels of a draw of numbers.
    private static let solverSteps = 24

    public func coordinates(_ series: Series, of structures: [Structure], seed: UInt64) -> [[Float]] {
        if structures.isEmpty { return [] }
        let all = Set(structures).sorted(), number = Dictionary(uniqueKeysWithValues: all.enumerated().map { ($1, $0) })
        var random = RandomSource(seed: seed, stream: 0x4E4D_4252)
        let x = runner.draw(
            encode(series), places: structures.map { number[$0]! }, of: all,
            voxelOfDraw: Array(repeating: 0, count: structures.count),
            masks: all.map(family.coordinateMask), steps: Self.solverSteps
        ) { _, n, out in for i in 0..<n { out[i] = Float(random.normal()) } }
        let row = family.tokenCount * family.coordinateCount
        return structures.indices.map { Array(x[$0 * row..<($0 + 1) * row]) }
    }

    public func logDensity(_ series: Series, of coordinates: [Float], _ z: Structure) -> Double {
        precise.logDensity(encode(series, precise), of: coordinates, z, mask: family.coordinateMask(z))
    }
}

extension RegressionFamily {
    /// All that makes the family what it is, in JSON.
    public func definition() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return String(decoding: try encoder.encode(description), as: UTF8.self)
    }

    /// The family of so many terms, which a network of whatever method must have been trained for.
    /// - Errors: `NetworkFileError` when it is of another family or of other terms.
    public init(terms: Int, of origin: NetworkOrigin, _ shape: FamilyShape, path: String) throws {
        self.init(terms: terms)
        guard origin.family == name else {
            throw NetworkFileError.otherFamily(path: path, found: origin.family, wanted: name)
        }
        guard shape == FamilyShape(self), try origin.familyDefinition == definition() else {
            throw NetworkFileError.unusable(path: path, reason: "it was trained with other terms")
        }
    }

    /// What a network reads of a series: N × F features and G summaries.
    public func observation(_ series: Series) -> (features: [Float], summary: [Float]) {
        var features = [Float](repeating: 0, count: series.count * featureCount)
        var summary = [Float](repeating: 0, count: summaryCount)
        observe(series.y.map(Float.init), series.x, features: &features, summary: &summary)
        return (features, summary)
    }
}
