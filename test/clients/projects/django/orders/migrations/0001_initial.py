from django.conf import settings
from django.db import migrations, models


def anonymous(apps, schema_editor):
    apps.get_model("auth", "User").objects.create(username="nobody")


class Migration(migrations.Migration):
    dependencies = [("auth", "0012_alter_user_first_name_max_length")]
    operations = [
        migrations.CreateModel(
            "Order",
            [
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("placed", models.DateTimeField(auto_now_add=True)),
                ("buyer", models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)),
            ],
        ),
        migrations.RunPython(anonymous),
    ]
