import ArgumentParser
import Bench
import CommandLineSupport
import Inference
import Networks

extension BenchCommand {
    struct Scaling: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "How the cost of a fit grows with voxels V, volumes M, draws S and threads.",
            usage: "prism-dmri bench scaling [options]",
            discussion: Manual.page(
                "One quantity grows at a time; the others stay at --voxels, --measurements, 50 draws and --nthreads.",
                examples: [
                    ("every quantity", "prism-dmri bench scaling --json")
                ]))
        @OptionGroup var options: Options
        @Option(help: "Trained network (default: the one built in).", completion: .file()) var network: String?
        @Option(help: "Preset to measure; may be given again (default: fast and balanced).") var preset: [PrismPreset] =
            []
        @Option(help: "Voxels of preset balanced; fast fits four times as many, exact a quarter.") var voxels: Int = 256

        func validate() throws {
            guard (1...100_000).contains(voxels) else {
                throw ValidationError("--voxels must lie between 1 and 100000.")
            }
        }

        func run() throws {
            let machine = options.machine, file = try network.map(NetworkFile.init(path:)) ?? NetworkFile.standard()
            let series = try (preset.isEmpty ? [.fast, .balanced] : preset).flatMap { preset in
                let count = preset == .fast ? 4 * voxels : preset == .balanced ? voxels : max(1, voxels / 4)
                let base = ScalingSeries.Size(
                    voxels: count, measurements: options.measurements, draws: 50, threads: options.threads.nthreads)
                return try ScalingPlan(base: base).measure(preset.rawValue, repeats: options.repeats ?? 2) {
                    acquisition, fit in
                    try PrismRecipe(
                        file: file, path: network ?? "the built-in network", acquisition: acquisition, options: fit,
                        preset: preset)
                }
            }
            if options.json {
                try BenchTable.put(BenchTable.Growth(machine: machine, series: series))
            } else {
                BenchTable.put(machine, series)
            }
        }
    }
}

extension BenchTable {
    struct Growth: Encodable { var machine: BenchMachine, series: [ScalingSeries] }

    static func put(_ machine: BenchMachine, _ series: [ScalingSeries]) {
        put(machine)
        print(
            """
            Voxels drawn from the prior. voxels/s by the wall clock, µs a voxel of processor time; summaries and maps \
            left out.
            """
        )
        for s in series {
            let size = s.points[0].size
            let held = [
                (ScalingSeries.Quantity.voxels, "\(size.voxels) voxels"),
                (.measurements, "\(size.measurements) volumes"),
                (.draws, "\(size.draws) draws"), (.threads, "\(size.threads) threads"),
            ].filter { $0.0 != s.quantity }.map(\.1).joined(separator: ", ")
            print("\n\(s.name): \(s.quantity.rawValue) grow; \(held)")
            row(s.quantity.rawValue, s.points) { "\($0.size[s.quantity])" }
            row("voxels/s", s.points) { String(format: "%.0f", $0.voxelsPerSecond) }
            row("µs a voxel", s.points) { String(format: "%.0f", $0.microsecondsPerVoxel) }
            if s.quantity == .threads {
                row("efficiency", s.points) { String(format: "%.0f %%", 100 * s.efficiency($0)) }
            }
            guard let line = s.line else { continue }
            let off = String(format: "(no point off by more than %.1f %%)", 100 * line.deviation)
            switch s.quantity {
            case .voxels: print(String(format: "  %.3f s + %.1f µs · V ", line.intercept, 1e6 * line.slope) + off)
            case .measurements:
                print(String(format: "  %.0f µs + %.2f µs · M a voxel ", line.intercept, line.slope) + off)
            case .draws: print(String(format: "  %.0f µs + %.2f µs · S a voxel ", line.intercept, line.slope) + off)
            case .threads: break
            }
        }
    }

    private static func row(_ name: String, _ points: [ScalingSeries.Point], _ text: (ScalingSeries.Point) -> String) {
        func right(_ text: String) -> String { String(repeating: " ", count: max(0, 9 - text.count)) + text }
        print(
            "  " + name + String(repeating: " ", count: max(0, 14 - name.count))
                + points.map { right(text($0)) }.joined())
    }
}
