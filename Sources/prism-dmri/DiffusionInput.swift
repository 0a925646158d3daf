import ArgumentParser
import Diffusion
import Foundation
import Volumes

/// The options that name a diffusion-weighted image with its gradient table and mask, shared by the commands that read one.
struct DiffusionInput: ParsableArguments {
    @Argument(help: "Diffusion-weighted image, 4-D NIfTI.") var dwi: String
    @Option(help: "b-values, FSL text (default: the image's name with .bval).") var bvals: String?
    @Option(help: "Gradient directions, FSL text (default: the image's name with .bvec).") var bvecs: String?
    @Option(help: "Gradient table in MRtrix's format (x y z b, scanner frame) instead of --bvals and --bvecs.") var grad: String?
    @Option(help: "Brain mask (default: made from the b=0 images, with a warning).") var mask: String?
    @Option(help: "Volumes with b up to this (s/mm²) count as unweighted.") var b0Threshold: Double = Acquisition.defaultThreshold
    @Flag(help: "b-values are scaled by the squared length of their direction vectors, as some scanners store multi-shell tables.")
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

    private func sibling(_ suffix: String) -> String {
        let folder = FilePath.folder(of: dwi)
        return (folder.isEmpty ? "" : folder + "/") + stem + suffix
    }

    var tableFiles: [String: String] {
        if let grad { return ["grad": grad] }
        return ["bvals": bvals ?? sibling(".bval"), "bvecs": bvecs ?? sibling(".bvec")]
    }

    /// The image's grid and its acquisition with directions in the scanner frame.
    func open() throws -> (geometry: VolumeGeometry, acquisition: Acquisition) {
        let geometry = try VolumeReader(path: dwi).geometry
        try MaskedSeries.requireSeries(geometry, path: dwi)
        let files = tableFiles
        let table = try files["grad"].map(GradientTable.readMRtrix) ?? GradientTable.readFSL(bvals: files["bvals"]!, bvecs: files["bvecs"]!)
        let a = geometry.affine
        let conversion = try FrameConversion(affine3x3: (0..<3).flatMap { r in (0..<3).map { c in a[r, c] } })
        let acquisition = try table.acquisition(
            conversion: conversion, volumes: geometry.volumeCount, threshold: b0Threshold,
            lengths: scaleByLength ? .scaleByLength : .normalise)
        return (geometry, acquisition)
    }

    /// The mask given, or a simple one. `warn` is told of the latter.
    func openMask(_ geometry: VolumeGeometry, _ acquisition: Acquisition, warn: (String) -> Void) throws -> Mask {
        if let mask { return try Mask(path: mask, matching: geometry, of: dwi) }
        let made = try Mask.simple(b0: Volume(meanOf: acquisition.unweightedIndices, in: dwi))
        warn("No --mask was given: a simple one was made from the b=0 images (\(made.count) voxels); a proper brain extraction is better.")
        return made
    }
}
