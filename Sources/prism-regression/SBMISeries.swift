import Baselines
import ModelSpace
import Regression

/// What a network of the baseline says of a series. λ is that of its training, whichever is asked for.
final class SBMISeries: FormulaReader {
    let family: RegressionFamily
    private let reader: SBMIReader

    /// - Errors: `NetworkFileError` when the network is of another family or of other terms.
    init(_ file: SBMIFile, path: String, terms: Int) throws {
        family = try RegressionFamily(terms: terms, of: file.origin, file.network.shape, path: path)
        reader = SBMIReader(file)
    }

    private func posterior(_ series: Series) -> SBMIPosterior {
        let seen = family.observation(series)
        return reader.read(measurements: series.count, features: seen.features, summaries: seen.summary)
    }

    /// Draws that are no formulas, of more than one noise, are left out.
    func draws(_ series: Series, lambda: Double, count: Int, seed: UInt64) -> [(structure: Structure, count: Int)] {
        var random = RandomSource(seed: seed, stream: 0x5342_4D49)
        let drawn = posterior(series).structures.draws(count, using: &random).filter(family.rule.allows)
        return Dictionary(grouping: drawn) { $0 }.map { ($0.key, $0.value.count) }
            .sorted { ($1.1, $0.0) < ($0.1, $1.0) }
    }

    func logProbabilities(_ series: Series, of structures: [Structure], lambda: Double) -> [Double] {
        let all = posterior(series).structures
        return structures.map(all.logProbability)
    }

    func coordinates(_ series: Series, of structures: [Structure], seed: UInt64) -> [[Float]] {
        var random = RandomSource(seed: seed, stream: 0x4E4D_4252), drawn: [Structure: [[Float]]] = [:]
        let posterior = posterior(series)
        for (z, same) in Dictionary(grouping: structures, by: { $0 }).sorted(by: { $0.key < $1.key }) {
            drawn[z] = posterior.draws(z, mask: family.coordinateMask(z), count: same.count, using: &random)
        }
        return structures.map { drawn[$0]!.removeLast() }
    }

    func logDensity(_ series: Series, of coordinates: [Float], _ z: Structure) -> Double {
        posterior(series).logDensity(coordinates, z, mask: family.coordinateMask(z))
    }
}
