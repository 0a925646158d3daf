import Foundation
import Inference
import Volumes

/// The numbers that the page's scripts draw from: voxels, histograms, and structure probabilities from which any λ
/// follows.
struct ReportData: Sendable {
    let archive: PosteriorArchive
    let summary: PosteriorSummary
    let geometry: VolumeGeometry
    let grid: DisplayGrid
    /// What the fit leaves over; nil where the scan was not at hand.
    let survey: ResidualSurvey?
    let structures: ReportStructures
    let fitted: [Int]
    let probabilities: [Float]

    init(
        _ summary: PosteriorSummary, archive: PosteriorArchive, geometry: VolumeGeometry, survey: ResidualSurvey?
    ) {
        self.archive = archive
        self.summary = summary
        self.geometry = geometry
        self.survey = survey
        grid = DisplayGrid(geometry)
        structures = ReportStructures(summary.metadata.structures, isWhole: summary.metadata.listsEveryStructure)
        fitted = (0..<summary.count).filter(summary.isFitted)
        probabilities = structures.probabilities(summary)
    }

    /// λ of the slider: those that the family is to be read at, to 3, or as far as the fit's own.
    var leastLambda: Double { min(summary.metadata.leastLambda, summary.lambda) }
    var largestLambda: Double { max(3, summary.lambda) }

    /// Characters of the page's voxels at most; scans that need more are shown in coarser steps.
    static let budget = 4_350_000

    func json(threads: Int) -> JSONValue {
        let range = largestLambda - leastLambda,
            nodes = Set((0...60).map { leastLambda + range * Double($0) / 60 } + [summary.lambda]).sorted()
        let sweep = structures.sweep(probabilities, fitted: fitted, at: summary.lambda, over: nodes, threads: threads)
        func numbers(_ values: [Double]) -> JSONValue { .array(values.map { .number(Self.rounded($0)) }) }
        let maps = ReportMap.all(self), sets = FibreSets(archive, threads: threads)
        // At least 17 characters a voxel.
        var step = max(1, Int(cbrt(Double(fitted.count) * 17 / Double(Self.budget)).rounded(.up)))
        var volume = ReportVolume(summary, geometry: geometry, step: step), shown = volume.json(self, maps, sets)
        while shown.text.utf8.count > Self.budget && step < 16 {
            step += 1
            volume = ReportVolume(summary, geometry: geometry, step: step)
            shown = volume.json(self, maps, sets)
        }
        let voxels = survey.map { ReportVoxels($0, self, volume).json } ?? .null
        return .object([
            ("lambda", .number(summary.lambda)), ("leastLambda", .number(leastLambda)),
            ("largestLambda", .number(largestLambda)),
            ("logStep", .number(ReportStructures.logStep)),
            ("shortScale", .number(ReportStructures.shortScale)),
            ("toScanner", numbers(grid.toScanner(geometry.affine))), ("voxelCount", .integer(fitted.count)),
            (
                "groups",
                .array(
                    structures.groups.map { group in
                        .object([
                            ("name", .string(group.name)), ("fibres", .integer(group.fibreCount)),
                            ("k", .integer(group.parameterCount)),
                        ])
                    })
            ),
            (
                "sweep",
                .array(
                    sweep.map { at in
                        .object([
                            ("lambda", .number(at.lambda)), ("mean", numbers(at.mean)), ("called", numbers(at.called)),
                            ("fibres", numbers(at.calledFibres)), ("parameters", .number(Self.rounded(at.parameters))),
                        ])
                    })
            ),
            (
                "maps",
                .array(
                    maps.map { map in
                        .object([
                            ("title", .string(map.title)), ("unit", .string(map.unit)), ("note", .string(map.note)),
                            ("colours", .string(map.colours)),
                            ("low", .number(map.low)), ("high", .number(map.high)), ("isOpen", .bool(map.isOpen)),
                            ("mayLack", .bool(map.mayLack)),
                        ])
                    })
            ),
            ("volume", shown), ("voxels", voxels), ("residuals", survey.map(ReportSurvey.json) ?? .null),
            ("histograms", .array(histograms())),
        ])
    }

    static func rounded(_ x: Double) -> Double { (x * 1e5).rounded() / 1e5 }
}

/// A quantity shown in colour, in 256 steps between two limits.
struct ReportMap {
    var title: String, unit: String, note: String, colours: String
    var low: Double, high: Double
    /// Whether larger values occur; they take the last colour.
    var isOpen = true
    /// Whether voxels without it have 0, below all values that it takes: they have the first colour to themselves.
    var mayLack = false
    let value: (Int) -> Double

    func code(_ v: Int) -> UInt8 {
        let value = value(v), x = (value - low) / (high - low)
        guard x.isFinite, !(mayLack && value == 0) else { return 0 }
        return UInt8(max(mayLack ? 1 : 0, min(255, (x * 255).rounded())))
    }

    static func all(_ data: ReportData) -> [ReportMap] {
        let summary = data.summary
        func column(_ column: SummaryColumn, times factor: Double = 1) -> (Int) -> Double {
            let values = summary.column(column)
            return { Double(values[values.startIndex + $0]) * factor }
        }
        func map(
            _ title: String, _ unit: String, _ note: String, _ colours: String, _ limits: ClosedRange<Double>?,
            _ value: @escaping (Int) -> Double
        ) -> ReportMap {
            let high =
                limits?.upperBound ?? ReportHistogram.roundUp(ReportHistogram.quantile(data.fitted.map(value), 0.98))
            return ReportMap(
                title: title, unit: unit, note: note, colours: colours, low: limits?.lowerBound ?? 0, high: high,
                isOpen: limits != 0...1, value: value)
        }
        let metadata = summary.metadata
        let own =
            metadata.hasFibreColumns
            ? [
                map(
                    "Diffusivity", "µm²/ms", "Posterior mean; 1 µm²/ms = 10⁻³ mm²/s.", "viridis", 0...3,
                    column(.statistic(.diffusivity, .mean), times: 1e3)),
                map(
                    "Uncertainty of diffusivity", "µm²/ms", "Posterior standard deviation.", "magma", nil,
                    column(.statistic(.diffusivity, .sd), times: 1e3)),
            ]
            : metadata.quantities.indices.map { i in
                let shown = ReportQuantity(metadata.quantities[i])
                var own = map(
                    shown.title, shown.unit, shown.note, "viridis", shown.limits,
                    column(.quantity(i, .mean), times: shown.factor))
                own.mayLack = own.low > 0
                return own
            }
        return [
            map(
                "Mean b≈0 signal", "scanner units", "What the scan looks like without diffusion weighting.", "grey", nil
            ) { Double(summary.meanB0[$0]) },
            map(
                "Sum of fibre fractions", "", "Posterior mean of f₁ + f₂ + f₃.", "viridis", 0...1,
                column(.statistic(.fractionSum, .mean))),
        ] + own + [
            map(
                "Directional uncertainty, fibre 1", "",
                "1 − largest eigenvalue of the mean dyad: 0 certain, 0.67 uniform.", "magma", nil,
                column(.dispersion(0))),
            map("Misfit", "σ", "Root-mean-square residual; about 1 where the model holds.", "balance", 0.5...1.5) {
                Double(summary.misfit[$0])
            },
        ]
    }
}

/// How the report names and scales a number of a family's own.
struct ReportQuantity {
    var title: String, unit: String, note: String, factor = 1.0
    var limits: ClosedRange<Double>?

    init(_ quantity: FamilyQuantity) {
        let isDiffusivity = quantity.unit == "mm^2/s", times = isDiffusivity ? 1e3 : 1
        (unit, factor) = (isDiffusivity ? "µm²/ms" : quantity.unit, times)
        limits = quantity.range.map { $0.lowerBound * times...$0.upperBound * times }
        switch quantity.kind {
        case .fraction:
            title = "Fraction of \(quantity.group)"
            note = "Posterior mean; 0 in draws without."
        case .named:
            title = Self.written(quantity.name)
            note =
                "Posterior mean of: \(quantity.text)"
                + (quantity.isEverywhere ? "." : "; over the draws that have it, 0 where none has.")
        case .diffusion:
            title = Self.written(quantity.name)
            note = "Posterior mean of: \(quantity.text)."
        case .parameter:
            title = quantity.group.isEmpty ? quantity.name : "\(quantity.name) of \(quantity.group)"
            note = "Posterior mean over the draws that have it; 0 where none has."
        }
    }

    /// As it is written: names of three letters are abbreviations (NDI, MD), u is micro.
    private static func written(_ name: String) -> String {
        name == "ufa" ? "µFA" : name.count > 3 ? name : name.uppercased()
    }
}
