/* Probabilistic tracking in a bedpostX folder by the published rules of FSL's probtrackx2, for
   examples/tractography.sh.
 *
 *     cc -O2 -fopenmp tractography.c -o tractography -lm -lz
 *     tractography FIT/fsl.bedpostX TRACTS STREAMLINES-A-SEED OUT
 *
 * TRACTS has a line 'name seed way,way,… exclusion' a tract ('-' for none), masks on the grid of the fit. Writes
 * OUT/name.nii.gz, the number of accepted streamlines through each voxel, and prints for each tract: name, streamlines
 * started, of them 40 mm and longer, accepted.
 *
 * The rules: from a seed voxel's centre, both ways, 1000 steps of 0.5 mm each at most; in every step the voxel is one
 of * the eight about the point, chosen by nearness, and the draw one of the fit's; of the fibres with f > 0.01 the one
 * nearest to the current direction is followed, if there is none the first, as in the first step; the step goes along
 the * mean of the direction here and that after a trial step (modified Euler). A streamline ends where the cosine
 between * steps is below 0.2, where th or ph is 0, outside the mask, and where it comes back to a box of 5 voxels
 against the * direction in which it left it. It is accepted when it meets all way-points and no exclusion. Random
 numbers: one stream * a streamline, so that the number of threads does not matter. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

enum { FIBRES = 3, STEPS = 1000, BOX = 5, MAX_WAYS = 8 };
static const float STEP = 0.5f, CURVATURE = 0.2f, LEAST_F = 0.01f, LONG = 40;

typedef struct { float x, y, z, f; } Fibre;  /* direction along voxel axes; f < 0 marks an empty one */
typedef struct { uint8_t bytes[352]; int n[3], volumes, type; float size[3], *values; } Image;

static int dims[3], draws;
static float size_mm[3];
static int32_t *place;       /* voxel → row of fibres, −1 outside the mask */
static Fibre *fibres;        /* rows × draws × FIBRES */

static void fail(const char *path, const char *reason) {
    fprintf(stderr, "tractography: %s: %s\n", path, reason);
    exit(65);
}

static Image read_image(const char *path) {
    Image image;
    gzFile file = gzopen(path, "rb");
    if (!file) fail(path, "cannot be opened");
    if (gzread(file, image.bytes, 352) != 352) fail(path, "is no NIfTI-1 image");
    int16_t dim[8], type;
    float pixdim[8], offset;
    memcpy(dim, image.bytes + 40, 16); memcpy(&type, image.bytes + 70, 2);
    memcpy(pixdim, image.bytes + 76, 32); memcpy(&offset, image.bytes + 108, 4);
    if (dim[0] < 3 || dim[0] > 7 || (type != 2 && type != 16))
        fail(path, "is no NIfTI-1 image of float or uint8 in this machine's byte order");
    image.type = type; image.volumes = dim[0] > 3 ? dim[4] : 1;
    for (int a = 0; a < 3; a++) { image.n[a] = dim[a + 1]; image.size[a] = fabsf(pixdim[a + 1]); }
    gzseek(file, (long)offset, SEEK_SET);
    size_t count = (size_t)dim[1] * dim[2] * dim[3] * image.volumes;
    image.values = malloc(count * sizeof(float));
    uint8_t *bytes = type == 2 ? malloc(count) : NULL;
    for (size_t done = 0, all = count * (type == 2 ? 1 : 4); done < all;) {
        unsigned want = all - done > 1 << 28 ? 1 << 28 : (unsigned)(all - done);
        int got = gzread(file, (type == 2 ? bytes : (uint8_t *)image.values) + done, want);
        if (got <= 0) fail(path, "ends too early");
        done += got;
    }
    if (bytes) { for (size_t i = 0; i < count; i++) image.values[i] = bytes[i]; free(bytes); }
    gzclose(file);
    return image;
}

static double determinant_sign(const Image *image) {  /* of the sform, or +1 when there is none */
    int16_t code;
    float m[12];
    memcpy(&code, image->bytes + 254, 2); memcpy(m, image->bytes + 280, 48);
    if (code <= 0) return 1;
    float x = m[5] * m[10] - m[6] * m[9], y = m[4] * m[10] - m[6] * m[8], z = m[4] * m[9] - m[5] * m[8];
    return m[0] * x - m[1] * y + m[2] * z < 0 ? -1 : 1;
}

static void load(const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/nodif_brain_mask.nii.gz", folder);
    Image mask = read_image(path);
    size_t n = 1, rows = 0;
    for (int a = 0; a < 3; a++) { dims[a] = mask.n[a]; size_mm[a] = mask.size[a]; n *= dims[a]; }
    place = malloc(n * sizeof *place);
    for (size_t v = 0; v < n; v++) place[v] = mask.values[v] > 0 ? (int32_t)rows++ : -1;
    /* FSL's x axis runs the other way when the image's axes are right-handed. */
    float flip = determinant_sign(&mask) > 0 ? -1 : 1;
    for (int k = 0; k < FIBRES; k++) {
        Image part[3];
        for (int q = 0; q < 3; q++) {
            snprintf(path, sizeof path, "%s/merged_%s%dsamples.nii.gz", folder,
                     q == 0   ? "th"
                     : q == 1 ? "ph"
                              : "f",
                     k + 1);
            part[q] = read_image(path);
            if (part[q].volumes != (k + q ? draws : part[q].volumes)) fail(path, "has another number of draws");
            draws = part[q].volumes;
        }
        if (k == 0) fibres = malloc(rows * draws * FIBRES * sizeof *fibres);
        for (int s = 0; s < draws; s++)
            for (size_t v = 0; v < n; v++) {
                if (place[v] < 0) continue;
                float th = part[0].values[s * n + v], ph = part[1].values[s * n + v];
                Fibre *f = fibres + ((size_t)place[v] * draws + s) * FIBRES + k;
                *f = (Fibre){flip * sinf(th) * cosf(ph), sinf(th) * sinf(ph), cosf(th), part[2].values[s * n + v]};
                if (th == 0 || ph == 0) f->f = f->f > LEAST_F ? -2 : -1;  /* −2: may be chosen, and ends a streamline */
            }
        for (int q = 0; q < 3; q++) free(part[q].values);
    }
    free(mask.values);
}

static inline float uniform(uint64_t *state) {
    *state ^= *state >> 12; *state ^= *state << 25; *state ^= *state >> 27;
    return (float)((*state * 0x2545F4914F6CDD1Dull >> 40) * (1.0 / (1 << 24)));
}

static inline long voxel(int x, int y, int z) {
    if (x < 0 || y < 0 || z < 0 || x >= dims[0] || y >= dims[1] || z >= dims[2]) return -1;
    return x + (long)dims[0] * (y + (long)dims[1] * z);
}

/* Direction at a point, nearest to r (NULL: the first fibre's); f < 0 where there is none: then z, which is what th =
   ph = 0 says. */
static Fibre sample(const float p[3], const float *r, uint64_t *state) {
    int at[3];
    for (int a = 0; a < 3; a++) { float low = floorf(p[a]); at[a] = (int)low + (uniform(state) < p[a] - low); }
    long v = voxel(at[0], at[1], at[2]);
    if (v < 0 || place[v] < 0) return (Fibre){0, 0, 1, -1};
    int s = (int)lrintf(uniform(state) * (draws - 1));
    const Fibre *f = fibres + ((size_t)place[v] * draws + s) * FIBRES, *best = f;
    float most = 0;
    for (int k = 0; r && k < FIBRES; k++) {
        float dot = fabsf(f[k].x * r[0] + f[k].y * r[1] + f[k].z * r[2]);
        if ((f[k].f > LEAST_F || f[k].f == -2) && dot > most) { most = dot; best = f + k; }
    }
    return *best;
}

typedef struct { long path[STEPS + 1]; int length; } Half;

/* Tracks one way from p along r (NULL at the start of a streamline: then `first` receives the direction taken). */
static void track(const float seed[3], const float *start, float first[3], Half *half, uint64_t *state) {
    float p[3] = {seed[0], seed[1], seed[2]}, r[3] = {0, 0, 0};
    int moving = start != NULL, boxes[STEPS + 1], count = 0;
    float left[STEPS + 1][3];
    if (moving) memcpy(r, start, sizeof r);
    half->length = 0;
    for (int step = 0; step < STEPS; step++) {
        long v = voxel((int)lrintf(p[0]), (int)lrintf(p[1]), (int)lrintf(p[2]));
        if (v < 0 || place[v] < 0) return;
        if (moving) {
            int b = count - 1, box = 0;
            for (int a = 2; a >= 0; a--) box = 1024 * box + (int)lrintf(p[a] / BOX);
            while (b >= 0 && boxes[b] != box) b--;
            if (b >= 0 && left[b][0] * r[0] + left[b][1] * r[1] + left[b][2] * r[2] < 0) return;
            if (b < 0) boxes[b = count++] = box;
            memcpy(left[b], r, sizeof r);
        }
        half->path[half->length++] = v;
        Fibre here = sample(p, moving ? r : NULL, state);
        float along = here.x * r[0] + here.y * r[1] + here.z * r[2];
        if (here.f < 0 || (moving && fabsf(along) <= CURVATURE)) return;
        float sign = moving ? (along > 0 ? 1 : -1) : uniform(state) > 0.5f ? 1 : -1, trial[3];
        float d[3] = {sign * here.x, sign * here.y, sign * here.z};
        for (int a = 0; a < 3; a++) trial[a] = p[a] + STEP / size_mm[a] * d[a];
        Fibre there = sample(trial, moving ? r : d, state);
        float same = there.x * d[0] + there.y * d[1] + there.z * d[2] > 0 ? 1 : -1, norm = 0;
        float mean[3] = {d[0] + same * there.x, d[1] + same * there.y, d[2] + same * there.z};
        for (int a = 0; a < 3; a++) norm += mean[a] * mean[a];
        for (int a = 0; a < 3; a++) { r[a] = mean[a] / sqrtf(norm); p[a] += STEP / size_mm[a] * r[a]; }
        if (!moving) { memcpy(first, r, sizeof r); moving = 1; }
    }
}

static void read_mask(const char *path, uint8_t *into, uint8_t bit) {
    Image mask = read_image(path);
    for (int a = 0; a < 3; a++) if (mask.n[a] != dims[a]) fail(path, "is on another grid than the fit");
    long n = (long)dims[0] * dims[1] * dims[2];
    for (long v = 0; v < n; v++) if (mask.values[v] > 0) into[v] |= bit;
    free(mask.values);
}

static void tract(const char *folder, const char *out, const char *name, const char *seed, char *ways,
                  const char *exclusion, int each, uint64_t number) {
    long n = (long)dims[0] * dims[1] * dims[2], seeds = 0, *from = malloc(n * sizeof *from);
    long started, accepted = 0, reached = 0;
    /* Bit 0: seed, bits 1 …: way-points, bit 7: exclusion. */
    uint8_t *masks = calloc(n, 1), needed = 0;
    int32_t *density = calloc(n, sizeof *density);
    read_mask(seed, masks, 1);
    int count = 0;
    for (char *save, *way = strtok_r(ways, ",", &save); way && strcmp(way, "-"); way = strtok_r(NULL, ",", &save)) {
        if (++count > 6) fail(way, "is one way-point too many");
        read_mask(way, masks, 1 << count); needed |= 1 << count;
    }
    if (strcmp(exclusion, "-")) read_mask(exclusion, masks, 128);
    for (long v = 0; v < n; v++) if ((masks[v] & 1) && place[v] >= 0) from[seeds++] = v;
    started = seeds * each;
    #pragma omp parallel for schedule(dynamic, 64) reduction(+ : accepted, reached)
    for (long i = 0; i < started; i++) {
        uint64_t state = (number * 0x100000000ull + (uint64_t)i + 1) * 0x9E3779B97F4A7C15ull;
        state ^= state >> 31; state *= 0xBF58476D1CE4E5B9ull; state ^= state >> 29;
        if (!state) state = 1;
        long v = from[i % seeds];
        float p[3] = {(float)(v % dims[0]), (float)(v / dims[0] % dims[1]), (float)(v / dims[0] / dims[1])};
        float back[3] = {0, 0, 0};
        Half halves[2];
        track(p, NULL, back, &halves[0], &state);
        int jumped = back[0] != 0 || back[1] != 0 || back[2] != 0;
        for (int a = 0; a < 3; a++) back[a] = -back[a];
        halves[1].length = 0;
        if (jumped) track(p, back, NULL, &halves[1], &state);
        int points = halves[0].length + halves[1].length - 2;
        if (points > 0 && points * STEP >= LONG) reached++;
        uint8_t met = 0;
        for (int h = 0; h < 2; h++) for (int s = 0; s < halves[h].length; s++) met |= masks[halves[h].path[s]];
        if ((met & 128) || (met & needed) != needed) continue;
        accepted++;
        /* Once a voxel; a streamline seldom comes back to one that it left. */
        long previous = -1;
        for (int h = 0; h < 2; h++)
            for (int s = h; s < halves[h].length; s++) {
                long at = halves[h].path[s];
                if (at == previous) continue;
                previous = at;
                #pragma omp atomic
                density[at]++;
            }
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/nodif_brain_mask.nii.gz", folder);
    Image header = read_image(path);
    int16_t type = 8, bits = 32;
    float offset = 352;
    memcpy(header.bytes + 70, &type, 2); memcpy(header.bytes + 72, &bits, 2); memcpy(header.bytes + 108, &offset, 4);
    memset(header.bytes + 348, 0, 4);
    snprintf(path, sizeof path, "%s/%s.nii.gz", out, name);
    gzFile file = gzopen(path, "wb1");
    if (!file || gzwrite(file, header.bytes, 352) != 352 || gzwrite(file, density, (unsigned)(n * 4)) != n * 4
        || gzclose(file) != Z_OK)
        fail(path, "cannot be written");
    printf("%s %ld %ld %ld\n", name, started, reached, accepted);
    fflush(stdout);
    free(header.values); free(density); free(masks); free(from);
}

int main(int argc, char **argv) {
    if (argc != 5 || atoi(argv[3]) < 1) {
        fprintf(stderr, "usage: tractography FIT/fsl.bedpostX TRACTS STREAMLINES-A-SEED OUT\n");
        return 64;
    }
    load(argv[1]);
    mkdir(argv[4], 0777);
    FILE *list = fopen(argv[2], "r");
    if (!list) fail(argv[2], "cannot be opened");
    char line[16384], *save;
    for (uint64_t number = 1; fgets(line, sizeof line, list); number++) {
        char *word[4] = {strtok_r(line, " \n", &save)};
        for (int i = 1; i < 4; i++) word[i] = strtok_r(NULL, " \n", &save);
        if (!word[3]) fail(argv[2], "a line is not 'name seed ways exclusion'");
        tract(argv[1], argv[4], word[0], word[1], word[2], word[3], atoi(argv[3]), number);
    }
    return 0;
}
