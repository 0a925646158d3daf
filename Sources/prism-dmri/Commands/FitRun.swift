import CommandLineSupport
import Diffusion
import Files
import Foundation
import Inference
import Networks
import Reporting
import Version
import Volumes

/// What a fit's image is called where it comes from a dataset: BIDS URIs, and no folders of this machine.
struct FitSource {
    let stem: String, uris: [String], root: String

    func name(_ provenance: inout FitProvenance) {
        func named(_ text: String) -> String { text.replacingOccurrences(of: root + "/", with: "bids:raw:") }
        provenance.sourceStem = stem
        provenance.sources = uris
        provenance.inputs = provenance.inputs.mapValues { BIDSOutputs.withoutFolders(named($0)) }
        provenance.commandLine = provenance.commandLine.map(BIDSOutputs.withoutFolders)
        provenance.warnings = provenance.warnings.map(named)
    }
}

extension PreparedFit {
    /// Fits, and writes all files of a whole fit or what a part of one is merged from.
    mutating func run(_ command: Fit, _ target: OutputFolder, as source: FitSource? = nil) throws {
        let fitter = fitter, out = command.out
        try target.begin()
        if let reason = directions.undecidedReason, !command.isQuiet { Terminal.note("note: " + reason) }
        let part = (index: command.running.shard?.index ?? 0, of: command.running.shard?.of ?? 1)
        if part.index == 0 { estimateNoise() }
        let fitting = ContinuousClock.now
        let metadata = fitter.metadata(grid: geometry.spatialShape, voxelCount: series.count, notes: notes)
        if command.model.engine != .mcmc, let warning = LambdaRange.warning(options.lambda, metadata) { warn(warning) }
        let bar = ProgressLine(
            "fitting", unit: "voxels", total: FitEngine.voxels(ofPart: part, among: series.count).count,
            quiet: command.isQuiet)
        let isComplete = try Interrupt.polled {
            try fitter.run(
                voxels: mask.indices, signals: series.values, noise: known, deviation: deviation, metadata: metadata,
                directory: target.work, part: part, progress: { bar.update($0) }, shouldStop: { Interrupt.requested })
        }
        guard isComplete else { throw Interrupted(out: out, keepsWork: true, again: .resume) }
        note("fitting", since: fitting)

        var provenance = try provenance(command)
        source?.name(&provenance)
        let shards = try PosteriorArchive.shards(in: target.work)
        // By volume and slice for the page, now or when parts are joined.
        let isForPage = command.running.shard != nil || command.output.choice.formats.contains(.report)
        let residuals = FitResiduals(
            shards, family: family.family, lambda: options.lambda, mask: isForPage ? mask.indices : nil,
            signals: series.values, acquisition: acquisition, deviation: deviation, threads: options.threads)
        provenance.residuals = residuals.shells
        try residuals.volumes?.write(to: target.staging + "/" + ResidualSurvey.fileName)
        if part.index == 0, command.output.choice.formats.contains(.fsl),
            let tensor = TensorMaps(
                signals: series.values, acquisition: acquisition, deviation: deviation, rules: options.rules,
                threads: options.threads)
        {
            try TensorOutputs.write(
                tensor, mask: mask, directory: target.staging, description: "prism-dmri diffusion tensor")
        }
        if command.running.shard != nil {
            provenance.grid = geometry.spatialShape
            provenance.affine = geometry.affine.elements
            // Every part has the whole scan; one of them keeps what it says of the noise.
            if let independent, part.index == 0 {
                try FitOutputs.writeNoise(independent, mask: mask, directory: target.staging)
            }
            try provenance.write(to: target.staging + "/fit.json")
            try target.finish()
            if !command.isQuiet {
                Terminal.note(
                    """
                    part \(part.index + 1) of \(part.of) is in \(out); 'prism-dmri merge' joins the parts and writes \
                    the maps
                    """
                )
            }
            return
        }
        let keep = command.output.keep
        provenance.kept = keep == .draws ? nil : keep
        let archive = try PosteriorArchive(directory: target.work), writing = ContinuousClock.now
        let result = try FitOutputs.write(
            archive: archive, lambda: options.lambda, geometry: geometry,
            directory: target.staging, provenance: provenance,
            formats: command.output.choice.formats, noise: independent, survey: residuals.volumes,
            threads: options.threads)
        if let keep { try target.keep(keep, of: archive) }
        try target.finish()
        note("writing", since: writing)
        let told = Set(provenance.warnings)
        for warning in result.provenance.warnings where !told.contains(warning) {
            Terminal.note("warning: " + warning)
        }
        Fit.warnOfEarlierReadings(target)
        if !command.isQuiet { report(result.provenance, out: out) }
    }

    /// What the archive says of the data, so that --resume cannot mix two images.
    var notes: [String: String] {
        var data = series.values.withUnsafeBytes { Data($0) }
        let table = zip(acquisition.bValues, acquisition.directions).flatMap { b, g in [b, g.x, g.y, g.z] }
        table.withUnsafeBytes { data.append(contentsOf: $0) }
        deviation?.values.withUnsafeBytes { data.append(contentsOf: $0) }
        return ["dwi_digest": NetworkFile.digest(data)].merging(known?.notes ?? [:]) { $1 }
            .merging(family.family.needsTiming ? ["timing": acquisition.timingNote ?? ""] : [:]) { $1 }
    }

    private func provenance(_ command: Fit) throws -> FitProvenance {
        let input = command.input
        var inputs = input.tableFiles
        inputs["dwi"] = input.dwi
        inputs["mask"] = input.maskFile
        inputs["noise_map"] = command.model.noiseMap
        inputs["grad_dev"] = input.deviationFile
        var provenance = FitProvenance(
            version: PrismDMRI.version, commandLine: CommandLine.arguments,
            startedAt: ISO8601DateFormatter().string(from: started), engine: command.model.engine.rawValue,
            family: family.family.name, lambda: options.lambda, drawLambda: options.lambda, seed: options.seed,
            drawsPerVoxel: options.samples, networkName: recipe.networkName,
            networkSHA256: recipe.networkSHA256, inputs: inputs, sources: [input.dwi],
            sourceStem: input.stem.isPlainFileName ? input.stem : "dwi",
            acquisition: try acquisitionSummary(), threads: options.threads)
        provenance.commit = SourceCommit.current
        provenance.leftOut = leftOut.isEmpty ? nil : leftOut
        provenance.timings = timings
        provenance.warnings = warnings
        provenance.noiseOrigin = independent?.origin
        provenance.knownNoise = known.map { .init(source: $0.source, voxels: knownCount, without: survey.withoutNoise) }
        provenance.directions = DirectionCheck(directions)
        provenance.gradientDeviation = deviation?.size
        return provenance
    }

    /// Volumes of each shell, b rounded to 100 s/mm².
    var shells: [FitProvenance.Acquisition.Shell] {
        var counts: [Int: Int] = [:]
        for i in 0..<acquisition.count where !acquisition.isUnweighted(i) {
            counts[Int((acquisition.bValues[i] / 100).rounded()) * 100, default: 0] += 1
        }
        return counts.sorted { $0.key < $1.key }.map { .init(bValue: Double($0.key), volumeCount: $0.value) }
    }

    private func acquisitionSummary() throws -> FitProvenance.Acquisition {
        let affine = geometry.affine
        let frame = try FrameConversion(affine3x3: (0..<9).map { affine[$0 / 3, $0 % 3] })
        let table = GradientTable(
            bValues: acquisition.bValues, vectors: acquisition.directions.map(frame.fsl(fromScanner:)), frame: .fsl
        ).fslText
        return FitProvenance.Acquisition(
            volumeCount: acquisition.count, baselineCount: acquisition.unweightedCount, shells: shells,
            isInTrainingRange: isInTrainingRange, table: .init(bvals: table.bvals, bvecs: table.bvecs),
            timing: acquisition.timingNote)
    }

    private func report(_ p: FitProvenance, out: String) {
        let fitting = timings["fitting"]!
        Terminal.note(
            String(
                format:
                    """
                    %d of %d voxels fitted in %.1f s (%.0f voxels/s on %d threads), %.1f s in all, peak memory %.0f \
                    MiB
                    """,
                p.counts.fitted, p.counts.voxels, fitting, Double(p.counts.voxels) / max(fitting, 1e-3), p.threads,
                ProgressLine.seconds(from: begin, to: .now), Double(p.peakMemoryBytes) / 1_048_576))
        Terminal.note("written: \(out)")
    }
}
