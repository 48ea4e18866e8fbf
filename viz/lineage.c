/* lineage.c: see lineage.h. */
#include "viz/lineage.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "viz/draw.h"

enum {
    FRAMES_MAX = 5000
};

#define PNG_HINT "known are .svg, .dot, .png and .pdf"

/* --- moments --- */

static bool
scale_of(const char *unit, uint64_t *scale)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {
        {"", 1}, {"ns", 1}, {"us", MOB_US}, {"µs", MOB_US}, {"ms", MOB_MS}, {"s", MOB_SECOND},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
        if (g_str_equal(unit, units[i].name)) {
            *scale = units[i].ns;
            return true;
        }
    }
    return false;
}

/* Decimal digits with at most one point, exactly: "28.6" of @scale ns. */
static const char *
read_number(const char *text, uint64_t *whole, uint64_t *fraction, uint64_t *parts)
{
    *whole = *fraction = 0;
    *parts = 1;
    for (; g_ascii_isdigit(*text); text++)
        *whole = MIN(*whole, UINT64_MAX / 100) * 10 + (uint64_t)(*text - '0');
    if (*text == '.')
        for (text++; g_ascii_isdigit(*text); text++)
            if (*parts < 1000000000) {
                *fraction = *fraction * 10 + (uint64_t)(*text - '0');
                *parts *= 10;
            }
    return text;
}

bool
mob_lineage_moment(const char *text, MobMoment *moment, GError **error)
{
    bool event = *text == '@';
    uint64_t whole = 0;
    uint64_t fraction = 0;
    uint64_t parts = 1;
    uint64_t scale = 1;
    const char *start = text + event;
    const char *unit = read_number(start, &whole, &fraction, &parts);

    if (unit == start || (event ? *unit != '\0' : !scale_of(unit, &scale))) {
        g_set_error(error, MOB_LINEAGE_ERROR, EINVAL,
                    "\"%s\" is no moment: write a time like 28.6ms or an event like @58", text);
        return false;
    }
    if (event)
        *moment = (MobMoment){MAX(whole, 1), 0};
    else
        *moment =
            (MobMoment){0, MIN(whole, UINT64_MAX / scale / 2) * scale + fraction * scale / parts};
    return true;
}

/* The last change by the time, or the time of the last change by the event:
 * between two changes the picture is the same. */
static MobMoment
resolve(const MobModel *model, MobMoment asked)
{
    g_autoptr(GArray) moments = mob_model_moments(model, NULL);
    MobMoment found = {1, asked.at};

    for (guint i = 0; i < moments->len; i++) {
        MobMoment moment = g_array_index(moments, MobMoment, i);
        if (asked.seq != 0 ? moment.seq > asked.seq : moment.at > asked.at)
            break;
        found.seq = moment.seq;
        if (asked.seq != 0)
            found.at = moment.at;
    }
    if (asked.seq != 0)
        found.seq = asked.seq;
    return found;
}

/* --- pictures --- */

static bool
has_suffix(const char *path, const char *suffix)
{
    return path != NULL && g_str_has_suffix(path, suffix);
}

static bool
write_picture(const MobFigure *figure, MobMoment moment, const char *path, bool dot, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (dot || has_suffix(path, ".dot") || has_suffix(path, ".gv")) {
        mob_figure_dot(figure, moment, text);
        return mob_write_file(path, text->str, text->len, error);
    }
    mob_figure_draw(figure, moment, text);
    if (has_suffix(path, ".png") || has_suffix(path, ".pdf"))
        return mob_write_raster(path, text, has_suffix(path, ".pdf"), error);
    if (has_suffix(path, ".svg"))
        return mob_write_file(path, text->str, text->len, error);
    g_set_error(error, MOB_LINEAGE_ERROR, EINVAL,
                "cannot tell from its name what kind of picture %s should be: " PNG_HINT, path);
    return false;
}

static bool
write_frames(const MobFigure *figure, MobLineageOptions *options, GError **error)
{
    g_autoptr(GArray) moments = mob_model_moments(figure->model, options->only);

    if (moments->len == 0 || moments->len > FRAMES_MAX) {
        g_set_error(error, MOB_LINEAGE_ERROR, ERANGE,
                    moments->len == 0
                        ? "%u frames: nothing of that name ever changes"
                        : "%u frames are too many: name the tasks and objects that matter (T1,O1)",
                    moments->len);
        return false;
    }
    if (g_mkdir_with_parents(options->output, 0777) != 0) {
        g_set_error(error, MOB_LINEAGE_ERROR, errno, "cannot make the folder %s: %s",
                    options->output, g_strerror(errno));
        return false;
    }
    for (guint i = 0; i < moments->len; i++) {
        g_autofree char *name = g_strdup_printf("%03u.%s", i + 1, options->dot ? "dot" : "svg");
        g_autofree char *path = g_build_filename(options->output, name, NULL);
        if (!write_picture(figure, g_array_index(moments, MobMoment, i), path, options->dot, error))
            return false;
        options->made++;
    }
    return true;
}

bool
mob_lineage_export(MobLineageOptions *options, GError **error)
{
    MobMoment asked = {0};

    options->made = 0;
    if (options->at != NULL && !mob_lineage_moment(options->at, &asked, error))
        return false;
    g_autoptr(MobModel) model = mob_model_read(options->db, options->run, error);
    if (model == NULL)
        return false;
    g_autoptr(MobFigure) figure = mob_figure_new(model);
    if (!mob_figure_layout(figure)) {
        g_set_error(error, MOB_LINEAGE_ERROR, ENOENT,
                    "there is nothing to draw: the run of %s submitted no task and put no value",
                    model->scenario);
        return false;
    }
    options->width = figure->width;
    options->height = figure->height;
    if (options->frames)
        return write_frames(figure, options, error);

    MobMoment moment = options->at != NULL ? resolve(model, asked) : model->end;
    bool late = asked.seq != 0 ? asked.seq > model->end.seq : asked.at > model->end.at;
    options->ended = options->at != NULL && late ? model->end : (MobMoment){0};
    options->made = 1;
    if (options->output != NULL)
        return write_picture(figure, moment, options->output, options->dot, error);
    if (options->dot)
        mob_figure_dot(figure, moment, options->text);
    else
        mob_figure_draw(figure, moment, options->text);
    return true;
}

bool
mob_lineage_of_state(const MobState *state, const char *scenario, uint64_t seed, GString *svg)
{
    g_autoptr(MobModel) model = mob_model_of_state(state, scenario, seed);
    g_autoptr(MobFigure) figure = mob_figure_new(model);

    if (!mob_figure_layout(figure))
        return false;
    mob_figure_draw(figure, model->end, svg);
    return true;
}
