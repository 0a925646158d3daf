import ArgumentParser
import Diffusion
import Foundation
import Volumes

/// The options that name a diffusion-weighted image with its gradient table and mask, shared by the commands that read one.
struct DiffusionInput: ParsableArguments {
    @Argument(help: "Diffusion-weighted image, 4-D NIfTI.") var dwi: String
    @Option(help: "b-values, FSL text (default: the image's name with .bval; for data.nii.gz also bvals).") var bvals: String?
    @Option(help: "Gradient directions, FSL text (default: the image's name with .bvec; for data.nii.gz also bvecs).") var bvecs: String?
    @Option(help: "Gradient table in MRtrix's format (x y z b, scanner frame) instead of --bvals and --bvecs.") var grad: String?
    @Option(help: "Brain mask (default: made from the b=0 images, with a warning).") var mask: String?
    @Option(help: "Volumes with b up to this (s/mm²) count as unweighted.") var b0Threshold: Double = Acquisition.defaultThreshold
    @Flag(help: "The b-values are nominal: the real ones are b·length² of the direction vectors, 0 for zero vectors (GE and Siemens multi-shell tables).")
    var scaleByLength = false

    func validate() throws {
        if grad != nil && (bvals != nil || bvecs != nil) { throw ValidationError("Give either --grad or --bvals and --bvecs.") }
        guard b0Threshold >= 0, b0Threshold.isFinite else { throw ValidationError("--b0-threshold must be a number ≥ 0.") }
    }

    /// The image's file name without .nii or .nii.gz.
    var stem: String {
        var name = FilePath.name(of: dwi)
        for suffix in [".gz", ".nii", ".img", ".hdr"] where name.hasSuffix(suffix) { name.removeLast(suffix.count) }
        return name
    }

    /// Files that lie beside the image under a customary name; the first that exists, or nil.
    private func sibling(_ suffixes: [String], inBedpostFolder name: String) -> String? {
        let folder = FilePath.folder(of: dwi)
        // A bedpostX folder holds data, bvals, bvecs and nodif_brain_mask, and no other image's.
        let names = suffixes.map { stem + $0 } + (stem == "data" ? [name] : [])
        // A link that leads nowhere is found too: its own error says what to do.
        return names.map { (folder.isEmpty ? "" : folder + "/") + $0 }
            .first { FileManager.default.fileExists(atPath: $0) || StandIn.missingTarget(of: $0) != nil }
    }

    /// The gradient table's files, named or found beside the image; without those that are not there.
    var tableFiles: [String: String] {
        if let grad { return ["grad": grad] }
        var files: [String: String] = [:]
        files["bvals"] = bvals ?? sibling([".bval", ".bvals"], inBedpostFolder: "bvals")
        files["bvecs"] = bvecs ?? sibling([".bvec", ".bvecs"], inBedpostFolder: "bvecs")
        return files
    }

    /// The mask given, or a bedpostX folder's.
    var maskFile: String? { mask ?? (stem == "data" ? sibling([], inBedpostFolder: "nodif_brain_mask.nii.gz") : nil) }

    /// The image's grid and its acquisition with directions in the scanner frame. `warn` is told what the user should know of them.
    func open(warn: (String) -> Void) throws -> (geometry: VolumeGeometry, acquisition: Acquisition) {
        let geometry = try VolumeReader(path: dwi).geometry
        try MaskedSeries.requireSeries(geometry, path: dwi)
        if !geometry.isPlaced {
            guard grad == nil else { throw InputFailure.unplaced(dwi: dwi) }
            warn("\(dwi) does not say how its axes lie in the scanner (both form codes are 0): x is taken to run from right to left, as FSL does.")
        }
        let files = tableFiles
        if grad == nil {
            for (name, suffix, what) in [("bvals", "bval", "b-values"), ("bvecs", "bvec", "directions")] where files[name] == nil {
                throw InputFailure.noTable(dwi: dwi, missing: stem + "." + suffix, what: what, option: "--" + name)
            }
        }
        let a = geometry.affine
        let conversion = try FrameConversion(affine3x3: (0..<3).flatMap { r in (0..<3).map { c in a[r, c] } })
        let acquisition: Acquisition
        do {
            let table = try grad.map(GradientTable.readMRtrix) ?? GradientTable.readFSL(bvals: files["bvals"]!, bvecs: files["bvecs"]!)
            acquisition = try table.acquisition(
                conversion: conversion, volumes: geometry.volumeCount, threshold: b0Threshold, lengths: scaleByLength ? .scaleByLength : .normalise)
        } catch let error as GradientTableError where !files.values.contains(where: "\(error)".contains) {
            throw InputFailure.badTable(files: ["grad", "bvals", "bvecs"].compactMap { files[$0] }, error: error)
        }
        if scaleByLength {
            let b = acquisition.bValues.filter { $0 > b0Threshold }
            warn(String(
                format: "--scale-by-length: %d volumes count as b≈0; the others have b from %.0f to %.0f s/mm².", acquisition.unweightedCount, b.min()!, b.max()!))
        }
        return (geometry, acquisition)
    }

    /// The mask given, a bedpostX folder's, or a simple one. `warn` is told of the latter two, and what is to be known of a mask.
    func openMask(_ geometry: VolumeGeometry, _ acquisition: Acquisition, warn: (String) -> Void) throws -> Mask {
        if let maskFile {
            if mask == nil { warn("No --mask was given: \(maskFile) is used.") }
            return try Mask(path: maskFile, matching: geometry, of: dwi, warn: warn)
        }
        let made = try Mask.simple(b0: Volume(meanOf: acquisition.unweightedIndices, in: dwi))
        warn("No --mask was given: a simple one was made from the b=0 images (\(made.count) voxels); a proper brain extraction is better.")
        return made
    }
}

/// What can be wrong with how an image and its table belong together.
enum InputFailure: CommandFailure {
    /// A table that is neither named nor beside the image.
    case noTable(dwi: String, missing: String, what: String, option: String)
    /// A table that was read and is not usable with the image.
    case badTable(files: [String], error: GradientTableError)
    /// A table in the scanner's frame for an image that does not say where that is.
    case unplaced(dwi: String)

    var exitStatus: ExitStatus { if case .noTable = self { .missingInput } else { .badData } }

    var description: String {
        switch self {
        case .noTable(let dwi, let missing, let what, let option):
            "No \(what) for \(dwi): there is no \(missing) beside it; name the file with \(option)"
        case .badTable(let files, let error):
            files.joined(separator: ", ") + ": \(error)"
        case .unplaced(let dwi):
            "\(dwi) does not say how its axes lie in the scanner (both form codes are 0), so directions in the scanner's frame (--grad) have no meaning for it; "
                + "give --bvals and --bvecs, or repair the image's orientation"
        }
    }
}
