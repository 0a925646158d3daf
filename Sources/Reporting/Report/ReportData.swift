import Foundation
import Inference
import Volumes

/// The numbers that the page's scripts draw from: slices, histograms, and structure probabilities from which any λ
/// follows.
struct ReportData: Sendable {
    let summary: PosteriorSummary
    let geometry: VolumeGeometry
    let slices: ReportSlices
    let structures: ReportStructures
    let fitted: [Int]
    let probabilities: [Float]

    init(_ summary: PosteriorSummary, geometry: VolumeGeometry) {
        self.summary = summary
        self.geometry = geometry
        slices = ReportSlices(summary, geometry: geometry)
        structures = ReportStructures(summary.metadata.structures, isWhole: summary.metadata.listsEveryStructure)
        fitted = (0..<summary.count).filter(summary.isFitted)
        probabilities = structures.probabilities(summary)
    }

    /// λ of the slider: to 3, or as far as the fit's own.
    var largestLambda: Double { max(3, summary.lambda) }

    func json(threads: Int) -> JSONValue {
        let nodes = Set((0...60).map { largestLambda * Double($0) / 60 } + [summary.lambda]).sorted()
        let sweep = structures.sweep(probabilities, fitted: fitted, at: summary.lambda, over: nodes, threads: threads)
        func numbers(_ values: [Double]) -> JSONValue { .array(values.map { .number(Self.rounded($0)) }) }
        let maps = ReportMap.all(self)
        return .object([
            ("lambda", .number(summary.lambda)), ("largestLambda", .number(largestLambda)),
            ("logStep", .number(ReportStructures.logStep)),
            ("toScanner", numbers(slices.grid.toScanner(geometry.affine))), ("voxelCount", .integer(fitted.count)),
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
                        ])
                    })
            ),
            ("slices", .array(slices.slices.map { slice($0, maps) })),
            ("histograms", .array(histograms())),
        ])
    }

    private func slice(_ slice: ReportSlice, _ maps: [ReportMap]) -> JSONValue {
        let (columns, rows) = slices.extent(slice), places = slices.voxels(slice), present = places.compactMap { $0 }
        var codes = Data(), sticks = Data()
        for v in present {
            let g = structures.groups.count
            for code in ReportStructures.encode(probabilities[(v * g)..<((v + 1) * g)]) {
                withUnsafeBytes(of: code.littleEndian) { codes.append(contentsOf: $0) }
            }
        }
        let toScanner = slices.grid.toScanner(geometry.affine)
        for k in 0..<DrawColumn.fibreCount {
            let axes = (0..<3).map { summary.column(.direction(k, axis: $0)) },
                f = summary.column(.statistic(.fraction(k), .mean))
            for v in present {
                let d = axes.map { Double($0[$0.startIndex + v]) }, fraction = f[f.startIndex + v]
                for c in 0..<3 {
                    let x = d[0] * toScanner[c] + d[1] * toScanner[3 + c] + d[2] * toScanner[6 + c]
                    sticks.append(UInt8(bitPattern: Int8(max(-127, min(127, (x * 127).rounded())))))
                }
                sticks.append(fraction < 0.05 ? 0 : UInt8(max(0, min(255, (fraction * 255).rounded()))))
            }
        }
        var values: [JSONValue] = []
        for map in maps { values.append(.string(Data(present.map(map.code)).base64EncodedString())) }
        let members: [(key: String, value: JSONValue)] = [
            ("plane", .string(slice.plane.name)), ("columns", .integer(columns)), ("rows", .integer(rows)),
            ("width", .number(Self.rounded(Double(columns) * slices.grid.size[slice.plane.right]))),
            ("height", .number(Self.rounded(Double(rows) * slices.grid.size[slice.plane.up]))),
            ("place", .string(place(slice))),
            ("labels", .array(slice.plane.labels.map { .string($0) })), ("right", .integer(slice.plane.right)),
            ("up", .integer(slice.plane.up)),
            ("mask", .string(Data(places.map { $0 == nil ? 0 : 1 }).base64EncodedString())),
            ("voxel", .array(voxelOrigin(slice).map { .integer($0) })),
            ("acrossStep", .array(step(slice.plane.right, 1))),
            ("downStep", .array(step(slice.plane.up, -1))), ("codes", .string(codes.base64EncodedString())),
            ("sticks", .string(sticks.base64EncodedString())), ("values", .array(values)),
        ]
        return .object(members)
    }

    private func place(_ slice: ReportSlice) -> String {
        let mm = slices.millimetres(slice, geometry.affine).rounded()
        return ["z", "y", "x"][slice.plane.rawValue] + " = " + (mm < 0 ? "−" : "") + String(format: "%.0f mm", abs(mm))
    }

    /// The image's voxel at the upper left of a slice, and the steps in voxel indices to the right and downwards: for
    /// the pointer's read-out.
    private func voxelOrigin(_ slice: ReportSlice) -> [Int] {
        var p = [0, 0, 0]
        p[slice.plane.normal] = slice.level
        p[slice.plane.right] = slices.low[slice.plane.right]
        p[slice.plane.up] = slices.high[slice.plane.up]
        let i = slices.grid.index(p), shape = geometry.spatialShape
        return [i % shape[0], i / shape[0] % shape[1], i / (shape[0] * shape[1])]
    }

    private func step(_ display: Int, _ sign: Int) -> [JSONValue] {
        (0..<3).map { .integer($0 == slices.grid.axes[display] ? (slices.grid.isReversed[display] ? -sign : sign) : 0) }
    }

    static func rounded(_ x: Double) -> Double { (x * 1e5).rounded() / 1e5 }
}

/// A quantity shown in colour, in 256 steps between two limits.
struct ReportMap {
    var title: String, unit: String, note: String, colours: String
    var low: Double, high: Double
    /// Whether larger values occur; they take the last colour.
    var isOpen = true
    let value: (Int) -> Double

    func code(_ v: Int) -> UInt8 {
        let x = (value(v) - low) / (high - low)
        return x.isFinite ? UInt8(max(0, min(255, (x * 255).rounded()))) : 0
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
                return map(
                    shown.title, shown.unit, shown.note, "viridis", shown.limits,
                    column(.quantity(i, .mean), times: shown.factor))
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
            title = quantity.name
            note =
                "Posterior mean of: \(quantity.text)"
                + (quantity.isEverywhere ? "." : "; over the draws that have it, 0 where none has.")
        case .parameter:
            title = quantity.group.isEmpty ? quantity.name : "\(quantity.name) of \(quantity.group)"
            note = "Posterior mean over the draws that have it; 0 where none has."
        }
    }
}
