import Foundation
import Inference

/// The voxels of which the page holds the signals: data beside what the posterior predicts, structures by name, and
/// parameters with their uncertainty.
struct ReportVoxels {
    private let survey: ResidualSurvey, data: ReportData
    /// Of each of the survey's voxels that was fitted: its place there, and its rank in the summary.
    private let kept: [(place: Int, rank: Int)]
    private static let mostStructures = 8

    init(_ survey: ResidualSurvey, _ data: ReportData, _ volume: ReportVolume) {
        (self.survey, self.data) = (survey, data)
        let ranks = Dictionary(uniqueKeysWithValues: data.summary.voxels.enumerated().map { ($1, $0) })
        // Beside the pictures of many voxels there is room for half of them.
        let isCrowded = data.fitted.count > 100_000
        kept = survey.voxels.enumerated().compactMap { place, voxel in
            if isCrowded && place % 2 == 1 { return nil }
            guard let rank = ranks[Int(voxel)], data.summary.isFitted(rank), data.summary.meanB0[rank] > 0 else {
                return nil
            }
            return (place, rank)
        }
    }

    /// Numbers are shares of the voxel's mean b≈0 signal: from −0.5 to 3.5 in 65536 steps, standard deviations from 0
    /// to 1.
    private func shares(_ values: [Float], _ low: Float, _ high: Float) -> JSONValue {
        let m = survey.volumeCount
        var codes: [UInt16] = []
        codes.reserveCapacity(kept.count * m)
        for (place, rank) in kept {
            let b0 = data.summary.meanB0[rank]
            for j in 0..<m {
                let x = (values[place * m + j] / b0 - low) / (high - low) * 65535
                codes.append(UInt16(max(0, min(65535, x.rounded()))))
            }
        }
        return PackedNumbers.text(codes)
    }

    private struct Number {
        var name: String, unit: String, factor: Float
        let column: (SummaryStatistic) -> SummaryColumn
    }

    private var numbers: [Number] {
        func plain(_ name: String, _ unit: String, _ quantity: SummaryQuantity, _ factor: Float = 1) -> Number {
            Number(name: name, unit: unit, factor: factor) { .statistic(quantity, $0) }
        }
        let metadata = data.summary.metadata
        let own: [Number] =
            metadata.hasFibreColumns
            ? [
                plain("diffusivity", "µm²/ms", .diffusivity, 1e3),
                plain("spread of diffusivities (sd)", "µm²/ms", .spread, 1e3),
            ]
            : metadata.quantities.indices.map { i in
                let shown = ReportQuantity(metadata.quantities[i])
                return Number(name: shown.title, unit: shown.unit, factor: Float(shown.factor)) { .quantity(i, $0) }
            }
        return (0..<DrawColumn.fibreCount).map { plain("fraction of fibre \($0 + 1)", "", .fraction($0)) } + own
            + [
                plain("S₀", "scanner units", .s0), plain("noise σ", "scanner units", .noise), plain("SNR", "", .snr),
            ]
    }

    var json: JSONValue {
        let numbers = self.numbers, summary = data.summary
        var values: [Float] = []
        for number in numbers {
            for statistic in [SummaryStatistic.mean, .q05, .q95] {
                let column = summary.column(number.column(statistic))
                values += kept.map { column[column.startIndex + $0.rank] * number.factor }
            }
        }
        var names: [String: Int] = [:], listed: [JSONValue] = [], places: [UInt16] = [], logs: [Float] = []
        for (_, rank) in kept {
            let own = data.archive.structures(ofVoxel: rank, most: Self.mostStructures)
            for i in 0..<Self.mostStructures {
                guard i < own.count else {
                    places.append(65535)
                    logs.append(0)
                    continue
                }
                let structure = own[i]
                if names[structure.name] == nil {
                    names[structure.name] = names.count
                    listed.append(
                        .object([
                            ("name", .string(structure.name)), ("k", .integer(structure.parameterCount)),
                        ]))
                }
                places.append(UInt16(min(65534, names[structure.name]!)))
                logs.append(Float(structure.logProbability))
            }
        }
        return .object([
            ("count", .integer(kept.count)), ("isAll", .bool(kept.count == data.fitted.count)),
            ("lambda", .number(survey.lambda)),
            ("index", PackedNumbers.text(kept.map { survey.voxels[$0.place] })),
            ("b0", PackedNumbers.text(kept.map { summary.meanB0[$0.rank] })),
            ("signals", shares(survey.signals, -0.5, 3.5)), ("means", shares(survey.means, -0.5, 3.5)),
            ("deviations", shares(survey.deviations, 0, 1)),
            (
                "numbers",
                .array(numbers.map { .object([("name", .string($0.name)), ("unit", .string($0.unit))]) })
            ),
            ("values", PackedNumbers.text(values)), ("structures", .array(listed)),
            ("perVoxel", .integer(Self.mostStructures)), ("structure", PackedNumbers.text(places)),
            ("logProbability", PackedNumbers.text(logs)),
        ])
    }
}

/// What a fit leaves over by volume and slice, and the gradient table, for the page's pictures.
enum ReportSurvey {
    static func json(_ survey: ResidualSurvey) -> JSONValue {
        func sums(_ values: [Int64]) -> [Float] { values.map { Float($0) / 65536 } }
        return .object([
            ("volumes", .integer(survey.volumeCount)), ("slices", .integer(survey.sliceCount)),
            ("lambda", .number(survey.lambda)),
            ("b", .array(survey.bValues.map { .number(Double($0.rounded())) })),
            ("isUnweighted", .array(survey.isUnweighted.map { .bool($0 != 0) })),
            ("directions", PackedNumbers.text(survey.directions)),
            ("counts", PackedNumbers.text(survey.counts.map { Float($0) })),
            ("sums", PackedNumbers.text(sums(survey.sums))), ("squares", PackedNumbers.text(sums(survey.squares))),
        ])
    }
}
