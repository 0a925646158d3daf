import Files

/// What can go wrong between a NIfTI file and its voxels; each case prints as one sentence saying what, where and what
/// to do.
public enum VolumeError: Error, Equatable, Sendable {
    case notFound(path: String)
    /// A link whose target is not there.
    case danglingLink(path: String, target: String)
    /// A pointer or a web page under the image's name; see `StandIn`.
    case standIn(path: String, what: String)
    case notReadable(path: String, reason: String)
    case notAFile(path: String, what: String)
    case imageMissing(header: String, image: String)
    case empty(path: String)
    case notNIfTI(path: String, reason: String)
    case badHeader(path: String, reason: String)
    case badMRtrixHeader(path: String, reason: String)
    case unsupportedType(path: String, type: String)
    case badAffine(path: String, reason: String)
    /// The header promises more bytes than the file holds, known before or while reading.
    case truncated(path: String, expected: Int, found: String)
    case corrupt(path: String, reason: String)
    case trailingData(path: String, expected: Int)
    case wrongDimensions(path: String, shape: [Int], wanted: String)
    case volumeOutOfRange(path: String, volume: Int, count: Int)
    case shapeMismatch(path: String, shape: [Int], reference: String, referenceShape: [Int])
    case affineMismatch(path: String, affine: Affine, reference: String, referenceAffine: Affine, millimetres: Double)
    case emptyMask(path: String, reason: String)
    case noBrainFound(reason: String)
    case badOutputName(path: String)
    case cannotCreate(path: String, reason: String)
    case readFailed(path: String, reason: String)
    case writeFailed(path: String, reason: String)

    init(_ error: FileError) {
        switch error {
        case .cannotCreate(let path, let reason): self = .cannotCreate(path: path, reason: reason)
        case .writeFailed(let path, let reason): self = .writeFailed(path: path, reason: reason)
        }
    }

    /// The four ways in which a caller may want to end.
    public enum Kind: Sendable { case missingInput, badData, cannotCreate, io }

    public var kind: Kind {
        switch self {
        case .notFound, .danglingLink, .notReadable, .imageMissing: .missingInput
        case .notAFile, .standIn, .empty, .notNIfTI, .badHeader, .badMRtrixHeader, .unsupportedType, .badAffine,
            .truncated, .corrupt, .trailingData,
            .wrongDimensions,
            .volumeOutOfRange, .shapeMismatch, .affineMismatch, .emptyMask, .noBrainFound:
            .badData
        case .badOutputName, .cannotCreate: .cannotCreate
        case .readFailed, .writeFailed: .io
        }
    }
}

extension VolumeError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notFound(let path):
            "\(path) does not exist; check the path and the spelling"
        case .danglingLink(let path, let target):
            "\(path) \(StandIn.advice(forMissing: target, path: path))"
        case .standIn(let path, let what):
            "\(path) \(what)"
        case .notReadable(let path, let reason):
            "\(path) cannot be opened (\(reason)); check its permissions"
        case .notAFile(let path, let what):
            "\(path) is \(what), not an image file; give the .nii, .nii.gz, .hdr or .mif file itself"
        case .imageMissing(let header, let image):
            """
            \(header) keeps its voxels in \(image), which does not exist; put both files in one folder or convert \
            them to .nii.gz
            """
        case .empty(let path):
            "\(path) is empty (0 bytes); copy or convert it again"
        case .notNIfTI(let path, let reason):
            "\(path) is not a NIfTI image (\(reason)); convert it to .nii.gz, for instance with dcm2niix or mrconvert"
        case .badHeader(let path, let reason):
            "\(path) has a damaged NIfTI header (\(reason)); convert the image again from its source"
        case .badMRtrixHeader(let path, let reason):
            """
            \(path) has no MRtrix3 header that can be read (\(reason)); convert the image again, for instance with \
            mrconvert
            """
        case .unsupportedType(let path, let type):
            """
            \(path) stores \(type) values, which cannot be read as one real number a voxel; convert it to an integer \
            or to float32
            """
        case .badAffine(let path, let reason):
            """
            \(path) does not say where its voxels are (\(reason)); repair the orientation, for instance with \
            fslorient or mrconvert
            """
        case .truncated(let path, let expected, let found):
            "\(path) is cut short (its header promises \(Self.bytes(expected)), \(found)); copy or download it again"
        case .corrupt(let path, let reason):
            "\(path) has damaged gzip data (\(reason)); copy or download it again"
        case .trailingData(let path, let expected):
            """
            \(path) goes on after the \(Self.bytes(expected)) that its header promises; header and data do not belong \
            together, convert it again
            """
        case .wrongDimensions(let path, let shape, let wanted):
            "\(path) is \(Self.shape(shape)), but \(wanted)"
        case .volumeOutOfRange(let path, let volume, let count):
            """
            \(path) has \(count) volumes, so volume \(volume) (counted from 0) does not exist; check that the \
            gradient table belongs to it
            """
        case .shapeMismatch(let path, let shape, let reference, let referenceShape):
            """
            \(path) is \(Self.shape(shape)), but \(reference) is \(Self.shape(referenceShape)); resample it onto that \
            grid
            """
        case .affineMismatch(let path, let affine, let reference, let referenceAffine, let millimetres):
            """
            \(path) lies up to \(Self.number(millimetres)) mm away from \(reference) (affine \(affine) against \
            \(referenceAffine)); if it was made from that image, copy that image's header to it, otherwise resample \
            it onto that grid
            """
        case .emptyMask(let path, let reason):
            "\(path) marks no voxel (\(reason)); give a mask that is 1 inside the brain and 0 outside"
        case .noBrainFound(let reason):
            "no brain mask can be computed from the b0 images (\(reason)); give one with --mask"
        case .badOutputName(let path):
            """
            \(path) cannot be written because its name ends in none of .nii, .nii.gz, .mif and .mif.gz; rename the \
            output
            """
        case .cannotCreate(let path, let reason): FileError.cannotCreate(path: path, reason: reason).description
        case .readFailed(let path, let reason):
            "\(path) cannot be read to its end (\(reason)); check the disk"
        case .writeFailed(let path, let reason): FileError.writeFailed(path: path, reason: reason).description
        }
    }

    static func shape(_ shape: [Int]) -> String { shape.map(String.init).joined(separator: "×") }

    /// The exact number, so that two that differ look different, and a rounded one beside it.
    static func bytes(_ count: Int) -> String {
        let short =
            count < 10_000
            ? nil
            : count < 10_000_000
                ? "\(count / 1000) kB"
                : count < 10_000_000_000 ? "\(count / 1_000_000) MB" : "\(count / 1_000_000_000) GB"
        return "\(count) bytes" + (short.map { " (\($0))" } ?? "")
    }

    /// Three decimals, without the noise of binary fractions.
    static func number(_ x: Double) -> String {
        guard x.isFinite, abs(x) < 1e12 else { return "\(x)" }
        let text = "\((x * 1000).rounded() / 1000 + 0)"
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
}
