/* files.c: pictures become files, whole or not at all.
 *
 * PNG and PDF are made by librsvg and cairo. They are looked for when they are
 * needed and not linked, because they bring thirty libraries, and a run that
 * draws only an SVG should not wait for those.
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <gmodule.h>

#include "viz/lineage.h"

bool
mob_write_file(const char *path, const char *data, size_t size, GError **error)
{
    g_autoptr(GError) cause = NULL;

    /* Written beside it and renamed; no wait for the disk. */
    if (g_file_set_contents_full(path, data, (gssize)size, G_FILE_SET_CONTENTS_CONSISTENT, 0666,
                                 &cause))
        return true;
    /* Of 'Failed to create file "lineage.svg.X8F2": No space left on device' the end matters. */
    const char *why = strrchr(cause->message, ':');
    g_set_error(error, MOB_LINEAGE_ERROR, EIO, "cannot write %s%s", path,
                why != NULL ? why : ": it failed");
    return false;
}

#ifdef MOB_HAVE_RSVG

#include <cairo-pdf.h>
#include <librsvg/rsvg.h>

typedef struct {
    GModule *cairo;
    GModule *rsvg;
    __typeof__(&cairo_image_surface_create) image_create;
    __typeof__(&cairo_pdf_surface_create_for_stream) pdf_create;
    __typeof__(&cairo_surface_write_to_png_stream) write_png;
    __typeof__(&cairo_surface_destroy) surface_destroy;
    __typeof__(&cairo_surface_finish) surface_finish;
    __typeof__(&cairo_create) create;
    __typeof__(&cairo_destroy) destroy;
    __typeof__(&cairo_scale) scale;
    __typeof__(&rsvg_handle_new_from_data) handle_new;
    __typeof__(&rsvg_handle_get_intrinsic_size_in_pixels) handle_size;
    __typeof__(&rsvg_handle_render_document) handle_render;
    void (*handle_free)(RsvgHandle *handle);
} Painter;

enum {
    PNG_SCALE = 2,       /* for projectors and print */
    PNG_SIDE_MAX = 32000 /* what cairo can hold */
};

static bool
find_symbol(GModule *module, const char *name, void *into)
{
    return g_module_symbol(module, name, into);
}

static bool
painter_open(Painter *painter, GError **error)
{
    painter->cairo = g_module_open("libcairo.so.2", G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
    painter->rsvg = g_module_open("librsvg-2.so.2", G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
    if (painter->cairo != NULL && painter->rsvg != NULL &&
        find_symbol(painter->cairo, "cairo_image_surface_create", &painter->image_create) &&
        find_symbol(painter->cairo, "cairo_pdf_surface_create_for_stream", &painter->pdf_create) &&
        find_symbol(painter->cairo, "cairo_surface_write_to_png_stream", &painter->write_png) &&
        find_symbol(painter->cairo, "cairo_surface_destroy", &painter->surface_destroy) &&
        find_symbol(painter->cairo, "cairo_surface_finish", &painter->surface_finish) &&
        find_symbol(painter->cairo, "cairo_create", &painter->create) &&
        find_symbol(painter->cairo, "cairo_destroy", &painter->destroy) &&
        find_symbol(painter->cairo, "cairo_scale", &painter->scale) &&
        find_symbol(painter->rsvg, "rsvg_handle_new_from_data", &painter->handle_new) &&
        find_symbol(painter->rsvg, "rsvg_handle_get_intrinsic_size_in_pixels",
                    &painter->handle_size) &&
        find_symbol(painter->rsvg, "rsvg_handle_render_document", &painter->handle_render) &&
        find_symbol(painter->rsvg, "rsvg_handle_free", &painter->handle_free))
        return true;
    g_set_error(error, MOB_LINEAGE_ERROR, ENOENT,
                "PNG and PDF need librsvg, which is not here (apt-get install librsvg2-2);"
                " .svg and .dot work without it");
    return false;
}

static cairo_status_t
collect(void *into, const unsigned char *data, unsigned int length)
{
    g_byte_array_append(into, data, length);
    return CAIRO_STATUS_SUCCESS;
}

static bool
paint(const Painter *painter, RsvgHandle *handle, bool pdf, GByteArray *bytes, GError **error)
{
    double width = 0;
    double height = 0;

    painter->handle_size(handle, &width, &height);
    double scale = pdf ? 0.75 : MIN(PNG_SCALE, PNG_SIDE_MAX / MAX(width, height));
    RsvgRectangle box = {0, 0, width, height};
    cairo_surface_t *surface =
        pdf ? painter->pdf_create(collect, bytes, width * scale, height * scale)
            : painter->image_create(CAIRO_FORMAT_RGB24, (int)(width * scale),
                                    (int)(height * scale));
    cairo_t *cairo = painter->create(surface);
    painter->scale(cairo, scale, scale);
    bool ok = painter->handle_render(handle, cairo, &box, error);
    painter->destroy(cairo);
    if (pdf)
        painter->surface_finish(surface);
    else if (ok)
        painter->write_png(surface, collect, bytes);
    painter->surface_destroy(surface);
    return ok;
}

bool
mob_write_raster(const char *path, const GString *svg, bool pdf, GError **error)
{
    Painter painter = {0};
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    if (!painter_open(&painter, error))
        return false;
    RsvgHandle *handle = painter.handle_new((const guint8 *)svg->str, svg->len, error);
    if (handle == NULL)
        return false;
    bool ok = paint(&painter, handle, pdf, bytes, error);
    painter.handle_free(handle);
    if (!ok)
        return false;
    return mob_write_file(path, (const char *)bytes->data, bytes->len, error);
}

#else

bool
mob_write_raster(const char *path, const GString *svg, bool pdf, GError **error)
{
    g_set_error(error, MOB_LINEAGE_ERROR, ENOENT,
                "cannot make %s: this mobula was built without librsvg (apt-get install"
                " librsvg2-dev, then build again); .svg and .dot work without it",
                path);
    return false;
}

#endif
